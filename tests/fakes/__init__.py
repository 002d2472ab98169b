"""Local servers that behave as Telegram and Slack do, for the platforms' real SDK clients to talk to."""
