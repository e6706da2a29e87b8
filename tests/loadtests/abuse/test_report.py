"""What was measured, beside its bars."""

import json

import pytest

from loadtests.abuse.hostile import Spoils
from loadtests.abuse.report import Measured, Polite, bars, fields, report

QUIET, SLOW = Polite((0.1,) * 20), Polite((0.2,) * 20)


def measured(
    abuse: str = "heads",
    *abused: Polite,
    quiet: Polite = QUIET,
    facts: dict[str, int] | None = None,
    growth_bytes: int | None = None,
) -> Measured:
    beside = abused or (QUIET,)
    around = (quiet,) * (len(beside) + 1)
    return Measured(abuse, 7, around, beside, Spoils({"408": 3}, facts or {}, 1.5), growth_bytes)


def missed(of: Measured) -> list[str]:
    return [bar.name for bar in bars(of) if not bar.met]


def test_an_abuse_that_nobody_notices_meets_its_bars() -> None:
    """As fast, and no failure."""
    assert missed(measured()) == []


def test_twice_as_slow_is_too_slow() -> None:
    """By the quiet times around each round."""
    of = measured("heads", QUIET, SLOW, SLOW)

    assert of.slowdown is not None
    assert (of.slowdown.low, of.slowdown.median, of.slowdown.high) == (1.0, 2.0, 2.0)
    assert missed(of) == ["p95 against none"]


def test_who_is_shut_out_is_not_fast() -> None:
    """No answer has no time, in any round."""
    of = measured("heads", QUIET, Polite((), {"left": 20}))

    assert of.slowdown is None
    assert missed(of) == ["p95 against none", "failures of the polite client"]


def test_what_an_abuse_leaves_behind_is_its_work() -> None:
    """Failures of the quiet times count as well."""
    assert missed(measured(quiet=Polite((0.1,), {"failed": 1}))) == [
        "failures of the polite client"
    ]


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        ({"states changed": 0, "control": 2}, []),
        ({"states changed": 1, "control": 2}, ["states changed"]),
        ({"states changed": 1, "control": 0}, ["states changed"]),
        ({"states changed": 0, "control": 0}, ["states changed"]),
        ({"read": 0, "scored": 1, "replaced": 0, "control": 9}, ["scored"]),
    ],
    ids=["none", "one", "one, and no grader", "nobody can", "one of three"],
)
def test_nothing_may_be_forged_or_taken(facts: dict[str, int], names: list[str]) -> None:
    """And what not even the control could do is not known."""
    assert missed(measured("scores", facts=facts)) == names


@pytest.mark.parametrize(
    ("abuse", "growth_bytes", "names"),
    [
        ("prompts", 100_000_000, []),
        ("prompts", 100_000_001, ["memory"]),
        ("prompts", None, []),
        ("heads", 200_000_000, []),
    ],
    ids=["the bar", "above it", "not measured", "another abuse"],
)
def test_huge_prompts_may_take_so_much(
    abuse: str, growth_bytes: int | None, names: list[str]
) -> None:
    """The bar is theirs."""
    assert missed(measured(abuse, growth_bytes=growth_bytes)) == names


def test_a_result_comes_back_from_its_file() -> None:
    """With all that bars are about."""
    of = measured("ids", SLOW, facts={"read": 1, "control": 1}, growth_bytes=5)

    assert Measured.from_fields(json.loads(json.dumps(fields(of)))) == of


def test_the_tables_have_a_row_for_each_abuse_and_bar() -> None:
    """With the number of clients that there were."""
    lines = report([measured("heads", SLOW), measured("prompts", growth_bytes=3_000_000)])

    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()]
    assert rows[2][:8] == ["7 half heads", "100", "200", "100", "200", "2.00", "0", "-"]
    assert rows[3][7:] == ["+3", "3 408", "1.5"]
    assert ["7 half heads", "p95 against none", "1.5 x", "2 x", "**missed**"] in rows
    assert [row[-1] for row in rows[7:]] == ["**missed**", "met", "met", "met", "met"]
