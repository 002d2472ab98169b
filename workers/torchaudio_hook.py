"""Let torchaudio be imported where its compiled extension cannot be loaded.

torchaudio's only wheel on the registry is built for CUDA. Beside a CPU build of torch `import torchaudio` raises
OSError, which takes speechbrain, along with every model class of transformers, down with it. torchaudio itself has a
state for "the extension is not there" (torchaudio/_extension/__init__.py); this hook puts it into that state when the
extension is there but does not load. Nothing is imported until somebody imports torchaudio, nothing changes on
machines where the extension loads. What does not work without it: forced alignment.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

_EXTENSION = "torchaudio._extension"


def _fail_if_no_align(function: Any) -> Any:
    """Stand in for torchaudio's decorator of the same name: the decorated function raises when called."""

    def absent(*_args: object, **_named: object) -> NoReturn:
        raise RuntimeError(f"{function.__name__} needs torchaudio's compiled extension, which cannot be loaded here")

    return absent


class _Lenient(importlib.abc.Loader):
    """Runs the real module, and finishes it by hand when the shared library behind it cannot be loaded."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        try:
            self._loader.exec_module(module)
        except OSError:
            vars(module).update(
                _IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False, fail_if_no_align=_fail_if_no_align
            )


class _Finder(importlib.abc.MetaPathFinder):
    """Answers for `torchaudio._extension` only."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _EXTENSION:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Lenient(spec.loader)
        return spec


def install() -> None:
    """Put the hook in place; a second call does nothing."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
