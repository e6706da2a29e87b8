"""Public outcomes, made of small files in place of the real ones, and of the real ones."""

import os
from pathlib import Path

import pytest

from lab.datasets.manifest import DatasetError
from lab.datasets.outcomes import NAMES, read

DATA = os.environ.get("NICHE_DATA_DIR")


def test_an_unknown_set_is_named_with_those_that_are_known(tmp_path):
    """Before any file is looked for."""
    with pytest.raises(DatasetError, match=r"'x'.*routellm_mmlu, routellm_gsm8k"):
        read("x", tmp_path)


@pytest.mark.data
@pytest.mark.skipif(DATA is None, reason="NICHE_DATA_DIR names no public data sets")
@pytest.mark.parametrize(("name", "count"), [("routellm_mmlu", 14_042), ("routellm_gsm8k", 1_319)])
def test_every_row_has_a_score_and_a_cost_of_both_models(name, count):
    """Right or wrong, and the price of a million tokens."""
    rows = read(name, Path(DATA))
    assert len(rows) == count
    assert name in NAMES
    for row in rows:
        assert row.scores.keys() == row.costs.keys() == {"mixtral_8x7b", "gpt4_1106"}
        assert set(row.scores.values()) <= {0.0, 1.0}
