"""The names that gateway and workers share on the Redis protocol."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

PREDICT = "polydesk.predict"
LEARN = "polydesk.train"
TEXT = "text"
MEDIA = "media"
TRAIN = "train"
NEWS = "polydesk:training"
"""The list on which workers say how far a training is; whichever gateway attends to trainings reads it."""
NEWS_EXPIRES = 24 * 3600  # seconds
BEAT_SECONDS = 1.0
BEAT_EXPIRES = 4  # seconds without a beat after which a worker counts as dead


BELL = "polydesk:bell"
"""The channel on which gateways tell each other what changed: a JSON list of topics."""


def calls(gateway: str) -> str:
    """The channel on which a gateway hears which conversations it must look at: a JSON list of their ids."""
    return f"polydesk:calls:{gateway}"


def halt(training: str) -> str:
    """The key that tells whoever works on a training, or is about to, to end it; its value says who wants so."""
    return f"polydesk:halt:{training}"


def given_up(training: str) -> str:
    """The key that tells a worker that was cut off to end a training which was given up meanwhile.

    Unlike `halt` it leaves what was done for whoever goes on with it.
    """
    return f"polydesk:given-up:{training}"


def inbox(gateway: str) -> str:
    """The list on which a gateway's predictions come back."""
    return f"polydesk:inbox:{gateway}"


def beat(queue: str, worker: str) -> str:
    """The key that a worker renews every second; its value is a JSON list of the questions and trainings it holds."""
    return f"polydesk:beat:{queue}:{worker}"


def address_problem(redis_url: str) -> str:
    """What is wrong with the address of a broker; empty when nothing is."""
    if not redis_url.startswith(("redis://", "rediss://", "unix://")):
        return "expected an address like redis://127.0.0.1:6379/0"
    try:
        _ = urlsplit(redis_url).port
    except ValueError:  # the words of urllib may quote a password
        return "its host or port cannot be read: write redis://127.0.0.1:6379/0, # / ? of a password as %23 %2F %3F"
    return ""


def evicts(memory: Mapping[str, object]) -> str:
    """Why a server with this `INFO memory` may forget what it is given; empty when it keeps it."""
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return ""
    return f"its maxmemory-policy is {policy}, which forgets queued questions"


def celery_url(redis_url: str) -> str:
    """The broker URL for Celery: kombu spells a Unix socket in its own way."""
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        password = f":{quote(parts.password)}@" if parts.password else ""
        return f"redis+socket://{password}{parts.path}"
    return redis_url
