"""`python -m lab.demonstration`: selection at work on the local stack, end to end.

The stack gets one specialist with the adapter of another niche. Real prompts are asked and graded;
on the way the generalist is exchanged for a better one. Results: `journal.jsonl` as it comes, then
`report.json`, `report.md` and `shares.png`; after Ctrl-C or SIGTERM they tell what there is.
`--again` computes them anew from the journal. Exit codes: 0, it was played; 2, it could not be;
130, it was stopped.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.comparison.errors import ComparisonError
from lab.comparison.journal import Journal
from lab.comparison.rows import read_rows
from lab.demonstration.configuration import read_configuration, read_planted
from lab.demonstration.place import commit_and_machine, write_set
from lab.demonstration.records import line
from lab.demonstration.results import JOURNAL, write_results
from lab.demonstration.run import Clocks, Pace, parts, play
from lab.demonstration.stages import OWN, Cast, stages
from lab.demonstration.stand_in import PREFIX, read_stand_in
from loadtests.traffic.errors import TrafficError

_OUT, _WORK = Path("work/demonstration"), Path("work/demonstration-stack")
_WELL_ASKED = f"{PREFIX}0.3,sql=0.23,tools=0.08,math=0.17,biomed=0.45,support=0.6"
"""As often right as the default generalist that is shown the eight nearest training rows (README,
Figures). Asked as users ask it is right nearly never, and nobody can be worse than that."""
_IMPOSSIBLE, _INTERRUPTED = 2, 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab.demonstration",
        description="Shows selection at work on the local stack: a planted bad specialist is "
        "demoted; then the generalist is exchanged for a better one.",
    )
    add = parser.add_argument
    add("--data-dir", type=Path, metavar="DIR", help="where the public data sets lie")
    add("--out", type=Path, default=_OUT, help=f"results (default: {_OUT})")
    add("--work", type=Path, default=_WORK, help=f"logs, state, configuration (default: {_WORK})")
    add("--config", type=Path, default=Path("niche.yaml"), help="of the stack")
    add("--planted", default="biomed=tools", metavar="DOMAIN=ADAPTER", help="the bad specialist")
    told = f"a model, {PREFIX}SHARE[,DOMAIN=SHARE...] for a stand-in, or `{OWN}`: the configured"
    add("--generalist", default=_WELL_ASKED, metavar="REFERENCE", help=f"before the swap: {told}")
    add("--better", default=f"{PREFIX}0.95", metavar="REFERENCE", help=f"after it: {told}")
    add("--rows", type=int, default=300, help="prompts per niche (default: 300)")
    add("--swap-at", type=float, default=0.33, help="share of them before the swap (0.33)")
    add("--concurrency", type=int, default=4, help="requests at a time (default: 4)")
    add("--seed", type=int, default=0, help="of the order of prompts (default: 0)")
    add("--again", action="store_true", help="only compute the results anew from the journal")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Plays it; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        code = 0 if arguments.again else _play(arguments)
        written = write_results(arguments.out)
    except (ComparisonError, TrafficError) as error:
        print(f"demonstration: {error}", file=sys.stderr)
        return _IMPOSSIBLE
    print("", *(f"{path}: written" for path in written), sep="\n")
    return code


def _play(arguments: argparse.Namespace) -> int:
    cast = _cast(arguments)
    out, work = arguments.out, arguments.work
    for folder in (out, work):
        folder.mkdir(parents=True, exist_ok=True)
    write_set(work / "prompts.jsonl", arguments.data_dir, arguments.rows)
    rows = read_rows(work / "prompts.jsonl")
    stream = parts(rows, cast.generalists, arguments.swap_at, arguments.seed)
    journal = Journal(out / JOURNAL, _conditions(arguments, cast))
    clocks, pace = Clocks(time.perf_counter, time.time), Pace(cast.concurrency)
    with stages(cast, rows, work) as stage:
        # Whoever stops this stops the stack with it; and the results are of what there is.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            play(stream, stage, lambda record: journal.append(line(record)), pace, clocks)
        except KeyboardInterrupt:
            print("demonstration: stopped; the results are of what there is", file=sys.stderr)
            return _INTERRUPTED
    return 0


def _cast(arguments: argparse.Namespace) -> Cast:
    """Who plays; finds what would stop the run later."""
    if arguments.data_dir is None:
        raise ComparisonError("give --data-dir DIR: where the public data sets lie")
    if (arguments.out / JOURNAL).exists():
        there = arguments.out / JOURNAL
        raise ComparisonError(f"{there}: is there already; name a new folder with --out")
    if not 0 < arguments.swap_at < 1:
        raise ComparisonError(f"--swap-at {arguments.swap_at}: a share between 0 and 1")
    cast = Cast(
        raw=read_configuration(arguments.config),
        planted=read_planted(arguments.planted),
        generalists=(arguments.generalist, arguments.better),
        concurrency=arguments.concurrency,
    )
    for name in cast.generalists:
        cast.configuration(name, "", Path())
        if name.startswith(PREFIX):
            read_stand_in(name)
    return cast


def _conditions(arguments: argparse.Namespace, cast: Cast) -> dict[str, Any]:
    """The head of the journal: all that the report has to tell of how it was made."""
    commit, machine = commit_and_machine()
    names = ("planted", "generalist", "better", "rows", "swap-at", "concurrency", "seed")
    asked = " ".join(f"--{name} {getattr(arguments, name.replace('-', '_'))}" for name in names)
    planted = next(
        spec["name"] for spec in cast.raw["specialists"] if spec["domain"] == cast.planted.domain
    )
    selection = (cast.raw.get("router") or {}).get("selection") or "as by default"
    return {
        "generalist": cast.raw["generalist"]["name"],
        "planted": planted,
        "about": [
            f"`python -m lab.demonstration --data-dir DIR {asked}`",
            f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC; commit {commit}; {machine}",
            f"`{planted}` was served with the adapter `{cast.planted.adapter}`",
            f"router.selection (alpha, margin): {selection}; gateway.shadow: sample_ratio and "
            "trial_sample_ratio 1, so that all prompts give evidence and both answers to each are "
            "known; limits on concurrency and tokens are out of the way",
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
