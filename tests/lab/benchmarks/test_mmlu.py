"""Subject groups in cross-validation, on toy groups of two subjects each."""

from dataclasses import dataclass

import pytest

from lab.benchmarks.mmlu import mmlu14
from tests.lab.benchmarks.rows import WORDS, rows_of
from tests.router.encoders.tiny_bert import tiny_bert
from tests.router.fakes import HashingEncoder


@dataclass(frozen=True)
class Fine:
    text: str
    domain: str
    group: str
    fine: str
    split: None = None
    source: str = "toy"


GROUP = {"bank": "money", "ride": "money", "cook": "home", "grow": "home", "play": "x", "heal": "x"}
ROWS = [
    Fine(row.text, GROUP[subject], row.group, subject)
    for subject, words in WORDS.items()
    for row in rows_of(subject, words, None, 24)
]


@pytest.fixture(scope="module")
def figures():
    return mmlu14(ROWS, HashingEncoder(), None).figures


def test_groups_with_words_of_their_own_are_told_apart(figures):
    """By subjects, by clusters, with words beside and by words alone; each with its interval."""
    assert [figure.name.partition(", ")[2][:8] for figure in figures[:4]] == [
        "subjects",
        "sub-clus",
        "subjects",
        "TF-IDF a",
    ]
    for figure in figures[:4]:
        assert figure.value > 0.9
        assert figure.interval.low <= figure.value <= figure.interval.high


def test_without_a_model_nothing_is_fine_tuned(figures):
    """There is then no bar to meet or miss."""
    assert not [figure for figure in figures if figure.bar]


def test_the_labels_of_a_fold_are_not_seen_when_it_is_predicted():
    """Labels by lot cannot be learnt: what is right is so by chance."""
    subjects = list(GROUP)
    lots = [subjects[sum(map(ord, row.text)) % len(subjects)] for row in ROWS]
    rows = [Fine(row.text, GROUP[lot], row.group, lot) for row, lot in zip(ROWS, lots, strict=True)]
    found = mmlu14(rows, HashingEncoder(), None).figures[:4]
    assert max(figure.value for figure in found) < 0.5


def test_the_fine_tuned_encoder_is_compared_on_one_fold(tmp_path):
    """Each lead is the difference of the figure before it to the fine-tuned one's."""
    result = mmlu14(ROWS, HashingEncoder(), tiny_bert(tmp_path / "bert"))
    tuned, subjects, lead, beside, other = result.figures[-5:]
    assert lead.value == subjects.value - tuned.value
    assert other.value == beside.value - tuned.value
    assert [one.met for one in (lead, other)] == [lead.value >= 0, other.value >= 0]
