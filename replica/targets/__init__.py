"""Where notifications go: by mail, to a command, or to a chat or webhook. The setting `notify` in config.yaml names the
targets."""
