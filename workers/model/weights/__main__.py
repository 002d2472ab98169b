"""Prepares weights by name, optional ones too: `python -m workers.model.weights voice --to var/models`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from core.errors import BadInput, Broken
from workers.model.weights import fetch, lock


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare what the command line names; 0 when it is ready, 2 for a name there is none of, 1 for other trouble."""
    parser = argparse.ArgumentParser(prog="python -m workers.model.weights", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help=", ".join(lock.jobs()))
    parser.add_argument("--to", type=Path, default=Path("var/models"), help="the folder of prepared models")
    parser.add_argument("--from", dest="source", type=Path, help="a folder that holds the wheels")
    wanted = parser.parse_args(arguments)
    try:
        fetch.prepare(wanted.to, wanted.source, wanted.names)
    except (BadInput, Broken) as problem:
        print(problem, file=sys.stderr)
        return 2 if isinstance(problem, BadInput) else 1
    print(f"prepared under {wanted.to}: {', '.join(wanted.names)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
