"""Subject groups in cross-validation, on toy groups."""

from dataclasses import replace

from router.benchmarks.mmlu import mmlu14
from tests.router.benchmarks.rows import WORDS, rows_of
from tests.router.encoders.tiny_bert import tiny_bert
from tests.router.fakes import HashingEncoder

ROWS = [row for domain, words in WORDS.items() for row in rows_of(domain, words, None, 40)]


def test_groups_with_words_of_their_own_are_told_apart():
    """Ours and TF-IDF's macro-F1, each with its interval; no fine-tuned encoder was asked for."""
    result = mmlu14(ROWS, HashingEncoder(), None)
    ours, words, accuracy = result.figures
    assert ours.value > 0.95
    assert words.value > 0.95
    assert ours.interval.low <= ours.value <= ours.interval.high
    assert accuracy.value > 0.95


def test_the_labels_of_a_fold_are_not_seen_when_it_is_predicted():
    """Labels by lot cannot be learnt: every row that is right is so by chance."""
    names = list(WORDS)
    rows = [replace(row, domain=names[hash_of(row.text)]) for row in ROWS]
    assert mmlu14(rows, HashingEncoder(), None).figures[0].value < 0.35


def test_the_fine_tuned_encoder_is_compared_on_one_fold(tmp_path):
    """The lead is the difference of the two figures before it, and held to a bar."""
    result = mmlu14(ROWS, HashingEncoder(), tiny_bert(tmp_path / "bert"))
    ours, tuned, lead = result.figures[-3:]
    assert lead.value == ours.value - tuned.value
    assert lead.met == (lead.value >= 0)


def hash_of(text):
    return sum(map(ord, text)) % len(WORDS)
