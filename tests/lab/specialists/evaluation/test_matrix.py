"""The matrix: who wins, what it costs, and the dominance of the diagonal."""

from collections.abc import Mapping

import numpy as np
import pytest

from lab.specialists.evaluation.matrix import (
    Column,
    GradedRows,
    Matrix,
    MatrixSpec,
    matrix,
)

ROWS = 100


def graded(share: float, flops: float = 1.0, seconds: float = 1.0, rows: int = ROWS) -> GradedRows:
    """Rows of which the first are right."""
    hits = (np.arange(rows) < share * rows).astype(np.int64)
    counts = np.stack([hits, np.ones_like(hits), np.ones_like(hits)], axis=1)
    return GradedRows(counts, np.full(rows, flops), np.full(rows, seconds))


SQL, TOOLS = Column("sql", "sql", "sql", home=True), Column("tools", "tools", "tools", home=True)
SPEC = MatrixSpec(
    ("s", "t", "zero", "few"),
    (SQL, TOOLS),
    {"sql": "s", "tools": "t"},
    ("zero", "few"),
)
ALONE = np.arange(ROWS)


def figures(
    graded: Mapping[tuple[str, str], GradedRows],
    spec: MatrixSpec = SPEC,
    groups: np.ndarray = ALONE,
) -> Matrix:
    """The matrix; every set has the same groups."""
    return matrix(graded, spec, {column.rows_of: groups for column in spec.columns})


def all_graded(**over: GradedRows) -> Mapping[tuple[str, str], GradedRows]:
    """Both specialists are right in their niche at 0.9, elsewhere at 0; the generalist at 0.1."""
    of = {f"{m}_{c}": graded(0.1) for m in ("zero", "few") for c in ("sql", "tools")}
    of |= {"s_sql": graded(0.9), "s_tools": graded(0), "t_sql": graded(0), "t_tools": graded(0.9)}
    found = {}
    for name, value in (of | over).items():
        model, _, column = name.partition("_")
        found[model, column] = value
    return found


def test_a_clear_difference_is_a_win() -> None:
    """The interval of the difference lies above zero."""
    verdict, _ = figures(all_graded()).verdicts

    assert (verdict.column, verdict.specialist, verdict.outcome) == ("sql", "s", "wins")
    assert verdict.difference.value == pytest.approx(0.8)
    assert 0.7 < verdict.difference.low < 0.8 < verdict.difference.high < 0.9


def test_rows_of_few_groups_are_no_win() -> None:
    """All hundred rows are of two tables, of which the specialist does one better."""
    rows = all_graded(s_sql=graded(0.5), zero_sql=graded(0), few_sql=graded(0))

    alone, grouped = figures(rows), figures(rows, groups=np.repeat([0, 1], ROWS // 2))

    assert (alone.verdicts[0].outcome, grouped.verdicts[0].outcome) == ("wins", "ties")
    narrow, wide = (found.cell("s", "sql") for found in (alone, grouped))
    assert narrow is not None
    assert wide is not None
    assert wide.quality.low < narrow.quality.low < narrow.quality.high < wide.quality.high


def test_a_small_difference_is_a_tie() -> None:
    """The interval holds zero: two rows of a hundred may be chance."""
    verdict, _ = figures(all_graded(s_sql=graded(0.12))).verdicts

    assert verdict.outcome == "ties"
    assert not verdict.keeps_its_place


def test_a_specialist_may_lose() -> None:
    """And it is said."""
    verdict, _ = figures(all_graded(few_sql=graded(1.0))).verdicts

    assert (verdict.outcome, verdict.baseline) == ("loses", "few")


def test_the_rival_is_the_generalist_asked_best() -> None:
    """Whichever way of asking gets more rows right is compared."""
    verdicts = figures(all_graded(few_sql=graded(0.5), zero_tools=graded(0.4))).verdicts

    assert [of.baseline for of in verdicts] == ["few", "zero"]


def test_costs_are_shares_of_the_rivals() -> None:
    """Of the best way of asking, and of the one without examples."""
    found = figures(
        all_graded(
            s_sql=graded(0.9, 2.0, 3.0),
            few_sql=graded(0.5, 8.0, 12.0),
            zero_sql=graded(0.1, 4.0, 2.0),
        ),
    )
    best, zero_shot = found.verdicts[0].against_best, found.verdicts[0].against_zero_shot

    assert (best.baseline, best.flops, best.seconds, best.cheaper) == ("few", 0.25, 0.25, True)
    assert (zero_shot.flops, zero_shot.seconds, zero_shot.cheaper) == (0.5, 1.5, False)
    assert not found.verdicts[0].keeps_its_place


def test_better_and_cheaper_keeps_its_place() -> None:
    """However the generalist is asked."""
    verdict, _ = figures(all_graded(s_sql=graded(0.9, 0.4, 0.4))).verdicts

    assert verdict.keeps_its_place


def test_the_index_is_the_diagonal_less_the_rest_over_the_diagonal() -> None:
    """0.9 at home and 0.3 elsewhere make 2/3."""
    found = figures(all_graded(s_tools=graded(0.4), t_sql=graded(0.2)))

    assert found.dominance is not None
    assert found.dominance.value == pytest.approx(2 / 3)
    assert found.dominance.low < 2 / 3 < found.dominance.high


def test_the_index_is_one_where_no_specialist_is_right_elsewhere() -> None:
    """And no draw changes that."""
    found = figures(all_graded()).dominance

    assert found is not None
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_a_single_specialist_has_no_index() -> None:
    """There is nothing off the diagonal."""
    spec = MatrixSpec(SPEC.models, SPEC.columns, {"sql": "s"}, SPEC.baselines)

    assert figures(all_graded(), spec).dominance is None


def test_specialists_that_are_never_right_have_no_index() -> None:
    """A ratio to nothing is none."""
    nothing = all_graded(s_sql=graded(0), t_tools=graded(0))

    assert figures(nothing).dominance is None


def test_further_sets_of_a_niche_are_judged_but_not_on_the_diagonal() -> None:
    """The index is over the niches, each once."""
    further = Column("sql/other", "sql/other", "sql")
    spec = MatrixSpec(SPEC.models, (*SPEC.columns, further), SPEC.specialists, SPEC.baselines)
    more = {(model, "sql/other"): graded(0.3) for model in SPEC.models}

    found = figures({**all_graded(), **more}, spec)

    assert found.dominance == figures(all_graded()).dominance
    assert [(of.column, of.outcome) for of in found.verdicts][2] == ("sql/other", "ties")


def test_what_was_not_asked_has_no_cell() -> None:
    """A generalist without examples for a set is absent there, not wrong."""
    some = {pair: of for pair, of in all_graded().items() if pair != ("few", "tools")}

    found = figures(some)

    assert found.cell("few", "tools") is None
    assert found.cell("few", "sql") is not None
    assert found.verdicts[1].baseline == "zero"


def test_a_cell_has_the_mean_cost_of_its_requests() -> None:
    """FLOPs and seconds per request."""
    cell = figures(all_graded(s_sql=graded(0.9, 3.0, 0.5))).cell("s", "sql")

    assert cell is not None
    assert (cell.rows, cell.flops, cell.seconds) == (ROWS, 3.0, 0.5)


def test_models_with_other_rows_cannot_be_paired() -> None:
    """The column is named."""
    with pytest.raises(ValueError, match=r"'sql'.*\[50, 100\]"):
        figures(all_graded(s_sql=graded(0.9, rows=50)))


def test_rows_and_costs_belong_together() -> None:
    """A column graded by fewer rows than it cost is a mistake of the caller's."""
    with pytest.raises(ValueError, match="flops"):
        GradedRows(np.zeros((2, 3), dtype=np.int64), np.zeros(3), np.zeros(2))
