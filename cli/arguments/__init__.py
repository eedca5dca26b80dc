"""The arguments of all commands, and how argparse parses them."""
