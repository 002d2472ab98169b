"""The command line: `python -m tests.chaos --schedules N --seed S`, and `--only SEED` to replay one."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.chaos.bugs import BUGS
from tests.chaos.many import Tally, crew
from tests.chaos.schedule import Result

_SHOWN = 5  # failures whose whole record is printed


def main(arguments: list[str]) -> int:
    """Exit status 0 when no schedule violates anything, 1 when one does, 2 for a wrong command line."""
    options = _options(arguments)
    began = time.monotonic()
    seeds = [options.only] if options.only is not None else range(options.seed, options.seed + options.schedules)
    tally = Tally()
    with crew(min(options.jobs, len(seeds))) as workers:
        for result in workers.results(seeds, options.bug):
            tally.add(result)
            if options.only is not None or (result.violations and tally.failed <= _SHOWN):
                print(_told(result, options.bug), flush=True)
            elif result.violations:
                print(f"seed {result.seed}: {'; '.join(map(str, result.violations))}", flush=True)
            if sys.stderr.isatty() and tally.schedules % 50 == 0:
                print(f"\r{tally.schedules} schedules, {tally.failed} failed", end="", file=sys.stderr, flush=True)
    for what, times in sorted(tally.injected.items()):
        print(f"  {times:7} x {what}")
    print(tally.line(seeds[0], time.monotonic() - began))
    return 1 if tally.failed else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.chaos", description="Schedules of accidents, and their verdict.")
    parser.add_argument("--schedules", type=int, default=300, help="how many (default %(default)s)")
    parser.add_argument("--real", type=int, default=0, help="schedules over real processes; not built yet, so 0")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each schedule has the next one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: the cores)")
    parser.add_argument("--only", type=int, help="replay this seed, with its whole record")
    parser.add_argument("--bug", default="", help=f"plant a bug: {', '.join(BUGS)}")
    options = parser.parse_args(arguments)
    if options.real:
        parser.error("schedules over real processes are not built yet: leave --real (REAL) at 0")
    if options.bug and options.bug not in BUGS:
        parser.error(f"there is no bug {options.bug!r}; there are: {', '.join(BUGS)}")
    if options.schedules < 1 or options.jobs < 1:
        parser.error("--schedules and --jobs must be at least 1")
    return options


def _told(result: Result, bug: str) -> str:
    lines = [f"seed {result.seed}:", *result.trace]
    lines += [f"  VIOLATION {violation}" for violation in result.violations] or ["  nothing is wrong"]
    again = f"python -m tests.chaos --only {result.seed}" + (f" --bug {bug!r}" if bug else "")
    return "\n".join([*lines, f"  replay: {again}"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
