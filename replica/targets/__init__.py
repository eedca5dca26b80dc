"""The targets to which notifications go: mail servers, commands, chats and webhooks. The setting `notify` in
config.yaml names the targets."""
