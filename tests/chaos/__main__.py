"""The command line: `python -m tests.chaos --schedules N --seed S`, and `--only SEED` to replay one."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable

from tests.chaos.bugs import BUGS
from tests.chaos.many import Tally, crew
from tests.chaos.schedule import Result

_SHOWN = 5  # failures whose whole record is printed


def main(arguments: list[str]) -> int:
    """Exit status 0 when no schedule violates anything, 1 when one does, 2 for a wrong command line."""
    options = _options(arguments)
    lines, failed = [], 0
    seeds = [options.only] if options.only is not None else range(options.seed, options.seed + options.schedules)
    if seeds:
        bug = f" --bug {options.bug!r}" if options.bug else ""
        with crew(min(options.jobs, len(seeds))) as workers:
            results = workers.results(seeds, options.bug)
            tally = _judged(results, f"--only {{seed}}{bug}", whole=options.only is not None)
        lines.append(f"chaos: {tally.line(seeds[0])}")
        failed += tally.failed
    if options.real:
        from tests.chaos.real import real  # which needs the models

        tally = _judged(real(range(options.seed, options.seed + options.real)), "--schedules 0 --real 1 --seed {seed}")
        lines.append(f"with kill -9 of real processes: {tally.line(options.seed)}")
        failed += tally.failed
    print("; ".join(lines))
    return 1 if failed else 0


def _judged(results: Iterable[Result], again: str, *, whole: bool = False) -> Tally:
    """Count the results, and tell what went wrong."""
    tally = Tally()
    for result in results:
        tally.add(result)
        if whole or (result.violations and tally.failed <= _SHOWN):
            print(_told(result, again.format(seed=result.seed)), flush=True)
        elif result.violations:
            print(f"seed {result.seed}: {'; '.join(map(str, result.violations))}", flush=True)
        if sys.stderr.isatty():
            print(f"\r{tally.schedules} schedules, {tally.failed} failed", end="", file=sys.stderr, flush=True)
    for what, times in sorted(tally.injected.items()):
        print(f"  {times:7} x {what}")
    return tally


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.chaos", description="Schedules of accidents, and their verdict.")
    parser.add_argument("--schedules", type=int, default=300, help="how many (default %(default)s)")
    parser.add_argument("--real", type=int, default=0, help="schedules over real processes (default 0)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each schedule has the next one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: the cores)")
    parser.add_argument("--only", type=int, help="replay this seed, with its whole record")
    parser.add_argument("--bug", default="", help=f"plant a bug: {', '.join(BUGS)}")
    options = parser.parse_args(arguments)
    if options.bug and options.bug not in BUGS:
        parser.error(f"there is no bug {options.bug!r}; there are: {', '.join(BUGS)}")
    if options.schedules < 0 or options.real < 0 or options.schedules + options.real < 1 or options.jobs < 1:
        parser.error("there must be at least one schedule (--schedules, --real) and one process (--jobs)")
    return options


def _told(result: Result, again: str) -> str:
    lines = [f"seed {result.seed}:", *result.trace]
    lines += [f"  VIOLATION {violation}" for violation in result.violations] or ["  nothing is wrong"]
    return "\n".join([*lines, f"  replay: python -m tests.chaos {again}"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
