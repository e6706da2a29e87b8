"""Labelled prompts: reproducible, licensed, and varied; the public data is needed for some."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from lab.datasets.draw import draw, sample
from lab.datasets.manifest import DatasetError
from lab.datasets.sources import DATASETS
from lab.routing import default_prompts
from lab.specialists.registry import NICHES


def test_a_draw_depends_on_text_and_purpose_alone():
    """The same text draws the same number, and another one for another purpose."""
    assert draw("a", "x") == draw("a", "x")
    assert len({draw("a", "x"), draw("a", "y"), draw("b", "x")}) == 3


def test_a_sample_does_not_depend_on_order_or_repetition():
    """The same texts are picked however they come."""
    texts = [f"text {number}" for number in range(50)]
    assert sample(texts, 10) == sample([*reversed(texts), *texts], 10)
    assert len(set(sample(texts, 10))) == 10


def near_misses():
    lines = default_prompts.NEAR_MISSES.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_near_misses_are_well_formed():
    """Each line is a distinct text with a known domain."""
    rows = near_misses()
    assert {row["domain"] for row in rows} <= {"general", *NICHES}
    assert len({row["text"] for row in rows}) == len(rows)
    assert all(set(row) == {"text", "domain"} and row["text"].strip() for row in rows)


def test_natural_prompts_are_well_formed():
    """Each line is a distinct text with a known domain; near misses and pasted blocks are
    general."""
    lines = default_prompts.NATURAL.read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    assert {row["domain"] for row in found} == {"general", *NICHES}
    assert len({row["text"].casefold() for row in found}) == len(found)
    assert all(set(row) == {"text", "domain", "kind"} and row["text"].strip() for row in found)
    other = {row["domain"] for row in found if row["kind"] != "natural"}
    assert other == {"general"}


def test_an_absent_data_set_is_named(tmp_path):
    """The error of the manifest reaches the caller."""
    with pytest.raises(DatasetError, match="wikisql"):
        default_prompts.rows(tmp_path)


@pytest.fixture(scope="module")
def rows():
    where = os.environ.get("NICHE_DATA_DIR")
    if not where:
        pytest.skip("NICHE_DATA_DIR does not name the directory of the public data sets")
    return default_prompts.rows(Path(where))


@pytest.mark.data
def test_all_domains_are_in_all_splits_of_training(rows):
    """Each domain has rows to learn from, to tune on, and to be measured on, in like numbers."""
    counts = Counter((row.domain, row.split) for row in rows)
    for split in ("train", "validation", "test", "unseen"):
        found = [counts[domain, split] for domain in ("general", *NICHES)]
        assert min(found) >= 100
        assert max(found) <= 3 * min(found)


@pytest.mark.data
def test_only_licensed_sources_train_or_tune(rows):
    """What may not be shipped is measured on, never learnt from."""
    closed = {name for name, dataset in DATASETS.items() if not dataset.ship}
    used = {row.source.split(" ")[0] for row in rows if row.split in ("train", "validation")}
    assert not used & closed


@pytest.mark.data
def test_unseen_sources_are_in_no_other_split(rows):
    """Training, validation and test know nothing of the unseen sources."""
    unseen = {row.source for row in rows if row.split == "unseen"}
    assert not unseen & {row.source for row in rows if row.split != "unseen"}


@pytest.mark.data
def test_near_misses_are_split_by_their_text(rows):
    """About a third of the near misses is kept for the test, and none is used for tuning."""
    splits = Counter(row.split for row in rows if row.group.startswith("near/"))
    assert set(splits) == {"train", "test"}
    assert 0.2 < splits["test"] / splits.total() < 0.45


@pytest.mark.data
def test_natural_prompts_train_and_choose_settings(rows):
    """About four fifths train; none is kept for the test, which public rows make."""
    splits = Counter(row.split for row in rows if row.group.startswith("natural/"))
    assert set(splits) == {"train", "validation", "calibration"}
    assert splits["train"] / splits.total() == pytest.approx(0.8, abs=0.05)


@pytest.mark.data
def test_a_word_problem_is_never_general(rows):
    """All of GSM8K's problems belong to `math`, whether they fold into an equation or not."""
    found = Counter(row.domain for row in rows if "gsm8k" in row.source)
    assert set(found) == {"math"}


@pytest.mark.data
def test_what_a_banks_customer_says_is_never_taught_as_general(rows):
    """Neither what `support` has an intent for, nor what it has none for."""
    texts = {row.text for row in rows if row.domain == "general"}
    assert "report my lost visa card" not in texts
    assert "i need my routing number for my checking account at bb&t bank" not in texts
    messages = [row for row in rows if row.group.startswith("clinc150_bank/")]
    assert {(row.domain, row.split) for row in messages} == {("support", "unseen")}


@pytest.mark.data
def test_a_shops_customers_are_told_from_a_banks_by_whole_intents(rows):
    """No intent of the shop's stands on two sides, so that tuning sees new ones."""
    groups = {(row.group, row.split) for row in rows if row.source.startswith("bitext")}
    assert len(groups) == len({group for group, _ in groups})
    assert {split for _, split in groups} == {"train", "validation", "calibration", "test"}


@pytest.mark.data
def test_no_general_prompt_asks_for_a_function_of_tools(rows):
    """Requests that the `tools` niche serves are not taught as general."""
    texts = {row.text for row in rows if row.source.startswith("clinc150")}
    assert "please reserve a table for 2 at lucky's under the name melissa at 7 pm" not in texts
    assert not any("playlist" in text and text.startswith("add") for text in texts)
