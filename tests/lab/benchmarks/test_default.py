"""The default router's benchmark: flips counted by hand on a classifier that reads one word."""

import numpy as np
import pytest

from lab.benchmarks.default import default, destinations, flips, own_test_rows
from lab.routing.rows import Row
from router.types import Scores
from tests.router.fakes import HashingEncoder, toy_rows

CLASSES = ("general", "sql", "tools")


class OneWord:
    """`tools` where the text plays, `sql` where it selects, in lower case alone; else `general`.

    Whatever says please is nobody's: its OOD score is above the threshold.
    """

    classes_ = CLASSES

    def scores(self, queries):
        return [self._of(query.text) for query in queries]

    def _of(self, text):
        domain = "tools" if "play" in text else "sql" if "select" in text else "general"
        found = {name: 0.9 if name == domain else 0.05 for name in CLASSES}
        return Scores(found, ood_score=0.0 if "please" in text else -1.0, max_ood_score=-0.5)


ROWS = [
    Row("play some music", "tools", "a"),
    Row("play a song", "tools", "b"),
    Row("select all names", "sql", "c"),
    Row("tell me a story", "general", "d"),
]


@pytest.fixture(scope="module")
def changed():
    return {part.perturbation.name: part for part in flips(ROWS, OneWord())}


def test_a_destination_is_what_the_policy_decides():
    """A text that is out of distribution goes to no specialist."""
    found = destinations(OneWord(), ["play it", "please play it", "select it", "why"])
    assert found.tolist() == ["tools", "general", "sql", "general"]


def test_flips_are_counted_where_the_destination_changes(changed):
    """In upper case no word is known: three prompts flip, and the general one stays."""
    upper = changed["upper case"]
    assert upper.flipped.tolist() == [True, True, True, False]
    assert upper.counts() == (3, 0, 0, 0)


def test_a_change_that_does_not_apply_is_not_counted(changed):
    """All is in lower case already, and nothing can be contracted."""
    assert len(changed["lower case"].rows) == 0
    assert len(changed["contractions"].rows) == 0


def test_a_harmless_change_flips_nothing(changed):
    """Thanks do not hide the word."""
    assert len(changed["thanks"].rows) == 4
    assert not changed["thanks"].flipped.any()


def test_a_flip_can_mend_a_mistake():
    """A prompt that was wrongly a specialist's goes where it belongs when it says please."""
    rows = [Row("how do children play", "general", "a")]
    please = next(p for p in flips(rows, OneWord()) if p.perturbation.name == "please")
    expected = (0, 1, 0, 0) if please.flipped[0] else (0, 0, 0, 0)
    assert please.counts() == expected


def test_the_figures_are_held_to_their_bars():
    """Every first choice is right here; the flips are the share of all pairs of their family."""
    figures = {figure.name: figure for figure in default(ROWS, OneWord()).figures}
    assert figures["macro-F1"].value == 1
    assert figures["macro-F1"].met
    assert figures["ECE"].value == pytest.approx(0.1)
    assert not figures["ECE"].met
    assert figures["flip rate, typo"].value > 0.02
    assert figures["flip rate, typo"].met is False
    assert figures["flip rate, right to wrong, typo or paraphrase"].met is None


def test_the_rates_are_those_of_the_table(changed):
    """Flips of a family over its pairs, changes that do not apply left out."""
    figures = {figure.name: figure.value for figure in default(ROWS, OneWord()).figures}
    of = [part for part in changed.values() if part.perturbation.family == "paraphrase"]
    wanted = sum(part.flipped.sum() for part in of) / sum(len(part.rows) for part in of)
    assert figures["flip rate, paraphrase"] == pytest.approx(wanted)


def test_test_rows_are_those_that_training_leaves_for_its_test():
    """Of the split `test`, without what another row repeats."""
    rows = toy_rows()
    found = own_test_rows([*rows, rows[5]], HashingEncoder())
    assert {row.split for row in found} == {"test"}
    assert len(found) == len({row.text for row in found})
    assert np.isin([row.text for row in found], [row.text for row in rows]).all()
