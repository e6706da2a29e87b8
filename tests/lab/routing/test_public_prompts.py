"""Public sets by name; the public data is needed for most."""

import os
from collections import Counter
from pathlib import Path

import pytest

from lab.datasets.manifest import DatasetError
from lab.datasets.subjects import GROUPS
from lab.routing import default_prompts, public_prompts
from lab.specialists.registry import NICHES

DEFAULT_DOMAINS = {"general", *NICHES}
BENCHMARKS = ("clinc150", "banking77", "mmlu14", "routellm_mmlu")


@pytest.fixture(scope="module")
def data_dir():
    where = os.environ.get("NICHE_DATA_DIR")
    if not where:
        pytest.skip("NICHE_DATA_DIR does not name the directory of the public data sets")
    return Path(where)


@pytest.fixture(scope="module")
def sets(data_dir):
    return {name: public_prompts.read(name, data_dir) for name in public_prompts.NAMES}


def test_an_unknown_set_is_named_with_those_that_are_known(tmp_path):
    """The error lists the names to choose from."""
    with pytest.raises(DatasetError, match=r"'clinc'.*clinc150, banking77"):
        public_prompts.read("clinc", tmp_path)


@pytest.mark.parametrize("name", public_prompts.NAMES)
def test_an_absent_set_says_where_to_get_it(name, tmp_path):
    """Every set names the file that is missing."""
    with pytest.raises(DatasetError, match=r"\.(jsonl|csv|json)"):
        public_prompts.read(name, tmp_path)


@pytest.mark.data
def test_every_row_has_text_and_a_source_with_its_licence(sets):
    """Whatever the set, no row is empty."""
    for name, rows in sets.items():
        assert rows, name
        assert all(row.text.strip() and row.source.endswith(")") for row in rows), name


@pytest.mark.data
def test_clinc150_has_ten_domains_and_its_strangers_are_general(sets):
    """150 training rows per intent, 15 intents a domain; out-of-scope rows in all splits."""
    counts = Counter((row.split, row.domain) for row in sets["clinc150"])
    domains = {domain for _, domain in counts} - {"general"}
    assert len(domains) == 10
    assert {counts["train", domain] for domain in domains} == {1500}
    assert [counts[split, "general"] for split in ("train", "validation", "test")] == [
        100,
        100,
        500,
    ]


@pytest.mark.data
def test_banking77_has_77_intents_in_both_splits(sets):
    """A line break within quotes does not make two rows of one."""
    rows = sets["banking77"]
    assert Counter(row.split for row in rows) == {"train": 10003, "test": 1540}
    assert len({row.domain for row in rows if row.split == "test"}) == 77


@pytest.mark.data
def test_mmlu_questions_are_grouped_by_wording_and_by_subject(sets):
    """All 14 groups occur; questions that repeat share a group, so that no fold splits them."""
    rows = sets["mmlu14"]
    assert {row.domain for row in rows} == set(GROUPS)
    assert len({row.group for row in rows}) < len(rows)


@pytest.mark.data
def test_outcomes_are_the_gain_of_the_strong_model(sets):
    """Mean gains are the published accuracies' difference: 80.6% against 68.1%."""
    gains = [row.excess_loss for row in sets["routellm_mmlu"]]
    assert set(gains) == {-1.0, 0.0, 1.0}
    assert sum(gains) / len(gains) == pytest.approx(0.8058 - 0.6808, abs=1e-4)
    assert len({row.domain for row in sets["routellm_mmlu"]}) == 57


@pytest.mark.data
def test_the_other_sets_carry_the_default_domains(sets):
    """Each is `unseen`, and all its labels are known to the default router."""
    for name in set(public_prompts.NAMES) - set(BENCHMARKS):
        assert {row.split for row in sets[name]} == {"unseen"}, name
        assert {row.domain for row in sets[name]} <= DEFAULT_DOMAINS, name


@pytest.mark.data
def test_the_default_router_never_trained_on_the_other_sets(sets, data_dir):
    """None of their rows is among those that it learns from or chooses with."""
    known = {(row.group.split("/")[0], row.text) for row in default_prompts.rows(data_dir)}
    for name in ("medquad", "fiqa_questions", "stackoverflow_titles", "autoj_scenarios"):
        assert not {(name, row.text) for row in sets[name]} & known, name


@pytest.mark.data
def test_every_niche_has_a_set_of_another_source(sets):
    """What the default router knows of no source is measured for each of its domains."""
    found = {
        row.domain for name in set(public_prompts.NAMES) - set(BENCHMARKS) for row in sets[name]
    }
    assert found == DEFAULT_DOMAINS


@pytest.mark.data
def test_geography_questions_come_below_their_schema(sets):
    """The tables and their columns stand first, then the question."""
    schema, question = sets["geography"][0].text.split("\n\n")
    assert schema.splitlines()[0] == (
        "state(state_name, capital, population, area, country_name, density)"
    )
    assert question
