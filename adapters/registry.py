"""The platforms we can speak to, found by name without importing any of their SDKs.

Ours are listed here; others register under the entry-point group `polydesk.adapters`:

```toml
[project.entry-points."polydesk.adapters"]
matrix = "polydesk_matrix.adapter:MatrixAdapter"
```
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from core.errors import BadInput, Broken
from core.ports import Adapter

GROUP = "polydesk.adapters"

Factory = Callable[..., Adapter]
"""Builds an adapter from what its platform needs; building connects to nothing."""

BUILT_IN = {
    "slack": "adapters.slack.adapter:SlackAdapter",
    "telegram": "adapters.telegram.adapter:TelegramAdapter",
    "web": "adapters.web.adapter:WebAdapter",
}


def known() -> tuple[str, ...]:
    """The names of all platforms, ours and installed ones, sorted."""
    return tuple(sorted({*BUILT_IN, *_installed()}))


def adapter(name: str) -> Factory:
    """The factory of the platform `name`; only now its module is imported.

    A built-in name cannot be taken over by an installed package.

    Raises:
        BadInput: there is no such platform; the message lists those there are.
        Broken: its module cannot be imported, or holds no factory.
    """
    target = BUILT_IN.get(name)
    if target is None:
        point = _installed().get(name)
        if point is None:
            raise BadInput(f"there is no adapter {name!r}; known are {', '.join(known())}")
        target = point.value
    module, _, attribute = target.partition(":")
    try:
        factory = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as problem:
        raise Broken(
            f"the adapter {name} cannot be loaded from {target} ({problem}): install what it needs"
        ) from problem
    if not callable(factory):
        raise Broken(f"the adapter {name} names {target}, which builds nothing")
    return cast(Factory, factory)


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
