"""The tables of a run."""

from collections import Counter
from collections.abc import Sequence
from signal import SIGKILL

from loadtests.chaos.requests import Outcome
from loadtests.chaos.run import Run
from loadtests.table import format_number, markdown_rows

_NEVER = (Outcome.CLEAN_END, Outcome.HUNG, Outcome.NOT_JSON)
"""What no client should ever see."""


def report(runs: Sequence[Run]) -> str:
    """What each stack's clients saw, in all and for each part that was struck."""
    lines = ["", *markdown_rows(_by_outcome(runs))]
    for run in runs:
        lines += ["", f"{run.name}:", "", *markdown_rows(_by_turn(run))]
    return "\n".join(lines)


def faults(run: Run) -> dict[str, float]:
    """What the bars are about."""
    counts = Counter(of.outcome for of in run.results)
    killed = [of for of in run.turns if of.victim.number is SIGKILL]
    shut = max((run.door.longest(of.struck, of.ended) for of in killed), default=0.0)
    elsewhere = sum(run.elsewhere(turn) for turn in run.turns)
    return {
        "door shut after a kill, longest, s": round(shut, 2),
        "failed elsewhere than in the struck process": elsewhere,
        **{of.value: counts[of] for of in _NEVER},
    }


def _by_outcome(runs: Sequence[Run]) -> list[list[str]]:
    table = [["requests", *(run.name for run in runs)]]
    for stream in (True, False):
        for outcome in Outcome:
            counts = [
                sum(of.stream == stream and of.outcome is outcome for of in run.results)
                for run in runs
            ]
            if any(counts) or outcome in _NEVER:
                kind = "streams" if stream else "whole answers"
                table.append([f"{kind}: {outcome.value}", *map(str, counts)])
    found = [faults(run) for run in runs]
    for name in list(found[0])[:2]:
        table.append([name, *(format_number(of[name]) for of in found)])
    return table


def _by_turn(run: Run) -> list[list[str]]:
    head = ["struck", "in flight", "in it, at most", "failed", "elsewhere", "door shut, s", "how"]
    table = [head]
    for turn in run.turns:
        failed = run.failed(turn)
        how = Counter(of.outcome.value for of in failed)
        table.append(
            [
                turn.victim.name,
                *map(str, (turn.in_flight, turn.carried, len(failed), run.elsewhere(turn))),
                format_number(run.door.longest(turn.struck, turn.ended)),
                ", ".join(f"{count} {name}" for name, count in how.most_common()) or "-",
            ]
        )
    return table
