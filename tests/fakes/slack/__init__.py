"""A fake Slack: `async with FakeSlack() as slack`, then `slack.customer()` to have somebody write."""

from tests.fakes.slack.customer import Customer, Tap
from tests.fakes.slack.server import APP_TOKEN, BOT_TOKEN, SCOPES, SIGNING_SECRET, SUBSCRIPTIONS, FakeSlack
from tests.fakes.slack.view import Seen
from tests.fakes.slack.world import Post, Room

__all__ = [
    "APP_TOKEN",
    "BOT_TOKEN",
    "SCOPES",
    "SIGNING_SECRET",
    "SUBSCRIPTIONS",
    "Customer",
    "FakeSlack",
    "Post",
    "Room",
    "Seen",
    "Tap",
]
