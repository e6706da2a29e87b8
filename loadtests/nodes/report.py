"""The table of a run."""

from collections import Counter

from loadtests.nodes.run import Run
from loadtests.table import markdown_rows


def report(run: Run) -> str:
    """What clients saw in each phase, and in the orderly ones together."""
    lost, asked = orderly(run)
    head = ["phase", "s", "requests", "in flight", "lost", "of these begun later", "how", "what"]
    table = [head]
    for turn in run.turns:
        how = Counter(of.outcome.value for of in run.lost(turn))
        table.append(
            [
                turn.phase.name,
                f"{turn.ended - turn.began:.0f}",
                *map(str, (len(run.of(turn)), turn.in_flight)),
                *map(str, (len(run.lost(turn)), len(run.later(turn)))),
                ", ".join(f"{count} {name}" for name, count in how.most_common()) or "-",
                turn.told,
            ]
        )
    total = f"Lost where nothing was killed: {lost} of {asked:,}."
    return "\n".join(["", *markdown_rows(table), "", total])


def orderly(run: Run) -> tuple[int, int]:
    """The requests that were lost in phases in which none may be, and all of these phases."""
    turns = [turn for turn in run.turns if turn.phase.is_orderly]
    return sum(len(run.lost(of)) for of in turns), sum(len(run.of(of)) for of in turns)
