"""A longer fuzz by hand: `python -m tests.fuzz --seconds 300 --seed 1`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzz.ground import Ground
from tests.fuzz.parts import PARTS


def main() -> int:
    """Fuzz part after part, each round on a fresh gateway with another seed, until the time is over."""
    reading = argparse.ArgumentParser(description=__doc__)
    reading.add_argument("--seconds", type=float, default=300.0)
    reading.add_argument("--seed", type=int, default=1, help="the first round's; the next has the next number")
    reading.add_argument("--examples", type=int, default=300, help="requests of a part in a round")
    reading.add_argument("--only", default="", help="parts whose name contains this")
    asked = reading.parse_args()
    end, number, tried, failed = time.monotonic() + asked.seconds, asked.seed, 0, []
    parts = [part for part in PARTS if asked.only in part.name]
    while time.monotonic() < end:
        with tempfile.TemporaryDirectory() as folder, Ground(Path(folder)) as ground:
            for part in parts:
                if time.monotonic() > end:
                    break
                try:
                    part.run(ground, asked.examples, number)
                except Exception as fault:
                    failed.append(f"seed {number}, {part.name}")
                    print(f"--- {failed[-1]}", *traceback.format_exception(fault, limit=0), sep="\n", file=sys.stderr)
                tried += round(asked.examples * part.weight)
        number += 1
    print(
        f"fuzz: {tried} requests, seeds {asked.seed} to {number - 1}, {len(failed)} parts with faults",
        *failed,
        sep="\n",
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
