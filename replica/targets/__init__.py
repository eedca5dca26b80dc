"""Where notifications go: by mail, to a command, or to a chat or webhook. config.yaml names them (`notify`)."""
