"""The console: the web pages of agents and admins."""
