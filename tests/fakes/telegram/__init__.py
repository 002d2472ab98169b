"""A fake Telegram: `async with FakeTelegram() as telegram`, then `telegram.customer()` to have somebody write."""

from tests.fakes.telegram.customer import Customer, Group
from tests.fakes.telegram.server import TOKEN, FakeTelegram
from tests.fakes.telegram.view import Seen
from tests.fakes.telegram.world import Message, Query

__all__ = ["TOKEN", "Customer", "FakeTelegram", "Group", "Message", "Query", "Seen"]
