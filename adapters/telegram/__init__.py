"""The door to Telegram, under one bot account."""
