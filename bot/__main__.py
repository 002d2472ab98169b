"""`python -m bot` is `polydesk`."""

from bot.cli import main

main()
