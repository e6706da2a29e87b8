"""A run's figures as tables, for a Markdown file and for a terminal.

Nothing is left out: a niche that its specialist does not win, or in which it is not the cheaper,
has a sentence of its own.
"""

import math
from collections.abc import Iterator

from lab.specialists.evaluation.degeneration import Degeneration
from lab.specialists.evaluation.matrix import Cell, Cost, Matrix, Verdict
from lab.specialists.evaluation.run import Report
from lab.statistics.interval import Interval
from lab.statistics.table import Table

_ABSENT = "-"


def tables(report: Report) -> tuple[Table, ...]:
    """All tables; that of the niches only where there is a specialist to judge."""
    found = report.matrix
    wide = [_quality(found), _costs(found), _degeneration(report), _models(report)]
    if found.verdicts:
        wide.insert(1, _niches(found))
    return tuple(wide)


def sentences(found: Matrix) -> Iterator[str]:
    """What the tables come to: one sentence per judged column, then the dominance index."""
    for verdict in found.verdicts:
        yield _sentence(verdict)
    if found.dominance is not None:
        yield (
            f"Diagonal dominance: {_interval(found.dominance)} "
            "(1: each specialist is right in its niche alone; 0: all are alike)."
        )


def _sentence(verdict: Verdict) -> str:
    costs = (verdict.against_best, verdict.against_zero_shot)
    dearer = [cost.rival for cost in costs if not cost.cheaper]
    said = (
        f"{verdict.column}: {verdict.specialist} {verdict.outcome} against {verdict.rival} by "
        f"{_interval(verdict.difference, '+')}"
    )
    if dearer:
        return f"{said}, and is not cheaper than {' or '.join(dict.fromkeys(dearer))}."
    return f"{said}, and is cheaper."


def _quality(found: Matrix) -> Table:
    rows = [
        (model, *(_cell_quality(found.cell(model, of.name)) for of in found.lineup.columns))
        for model in found.lineup.models
    ]
    return Table(
        ("model", *(of.name for of in found.lineup.columns)),
        tuple(rows),
        title="Quality",
        note="Share of right answers, or micro-F1 where answers are lists, with 95 % intervals.",
    )


def _niches(found: Matrix) -> Table:
    titles = ("niche", "specialist", "best generalist", "difference", "outcome")
    return Table(
        (*titles, "of best: FLOPs", "seconds", "of zero-shot: FLOPs", "seconds", "keeps its place"),
        tuple(
            (
                *(of.column, of.specialist, of.rival, _interval(of.difference, "+"), of.outcome),
                *_shares(of.against_best),
                *_shares(of.against_zero_shot),
                "yes" if of.keeps_its_place else "NO",
            )
            for of in found.verdicts
        ),
        title="Specialists against the generalist",
        note="Differences are paired over the rows. FLOPs and engine seconds of the specialist's "
        "requests as a share of the generalist's, asked at its best and asked zero-shot. A "
        "specialist keeps its place where it wins and is cheaper than both.",
    )


def _costs(found: Matrix) -> Table:
    # Further measures of a set are of the same answers.
    columns = {of.rows_of: of for of in reversed(found.lineup.columns)}
    shown = [of for of in found.lineup.columns if columns[of.rows_of] == of]
    rows = [
        (model, *(_cell_cost(found.cell(model, of.name)) for of in shown))
        for model in found.lineup.models
    ]
    return Table(
        ("model", *(of.name for of in shown)),
        tuple(rows),
        title="Cost of a request",
        note="Computed GFLOPs, and measured engine milliseconds (a batch's time, shared by its "
        "rows).",
    )


def _degeneration(report: Report) -> Table:
    return Table(
        (
            *("model", "answers at home", "looping", "cut", "mean tokens"),
            *("answers elsewhere", "looping", "cut", "mean tokens"),
        ),
        tuple(
            (of.model, *_degenerate(of.home), *_degenerate(of.elsewhere))
            for of in report.degenerations
        ),
        title="Degeneration",
        note="At home is the own niche's sets, and all sets for a generalist.",
    )


def _models(report: Report) -> Table:
    rows = []
    for candidate in report.plan.candidates:
        shape, weights = report.shapes[candidate.name], candidate.weights
        adapter = weights.adapter.sha256[:12] if weights.adapter else _ABSENT
        size = f"{shape.linear_weights / 1e6:.1f}"
        rows.append((candidate.name, weights.reference, adapter, str(shape.layers), size))
    return Table(
        ("model", "base", "adapter (sha256)", "layers", "weights"),
        tuple(rows),
        title="Models",
        note="Weights are those of the layers, in millions, without embedding and head.",
    )


def _cell_quality(cell: Cell | None) -> str:
    return _ABSENT if cell is None else _interval(cell.quality)


def _cell_cost(cell: Cell | None) -> str:
    return _ABSENT if cell is None else f"{cell.flops / 1e9:.1f}, {cell.seconds * 1e3:.0f} ms"


def _interval(of: Interval, sign: str = "") -> str:
    return f"{of.value:{sign}.3f} [{of.low:{sign}.3f}, {of.high:{sign}.3f}]"


def _shares(cost: Cost) -> tuple[str, str]:
    return f"{cost.flops:.2f}", f"{cost.seconds:.2f}"


def _degenerate(of: Degeneration) -> tuple[str, ...]:
    if math.isnan(of.looping):
        return ("0", *([_ABSENT] * 3))
    return str(of.answers), f"{of.looping:.1%}", f"{of.cut:.1%}", f"{of.mean_tokens:.1f}"
