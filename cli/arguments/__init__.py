"""What a command line may say, and how argparse reads it."""
