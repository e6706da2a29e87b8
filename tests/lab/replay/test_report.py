"""A replay in a terminal, as JSON and as pictures."""

import json

import pytest

from lab.replay.policies import domain_means, instance_oracle
from lab.replay.replay import replay
from lab.replay.report import summary, write_report
from tests.lab.replay.recorded import recorded


@pytest.fixture(scope="module")
def found():
    outcomes = recorded(60)
    return replay(outcomes, [domain_means(outcomes), instance_oracle(outcomes)])


def test_the_summary_has_a_line_per_model_and_policy(found):
    """Ceilings are called so, and what nothing beats is named."""
    text = summary(found)
    assert "always, 60 prompts" in text
    assert "best content-blind mix" in text
    assert "instance oracle (a ceiling)" in text
    assert "Pareto front" in text
    assert max(map(len, text.splitlines())) < 170


def test_the_report_is_strict_json(found, tmp_path):
    """An infinite price is null, and every point has its shuffle."""
    report, *pictures = write_report(tmp_path, found, "here", {"rows.jsonl": 60})
    content = json.loads(report.read_text(), parse_constant=pytest.fail)
    assert content["data"] == {"rows.jsonl": 60}
    assert [of["name"] for of in content["policies"]][1:] == ["domain means", "instance oracle"]
    first, *_ = content["policies"][1]["points"]
    assert first["price"] is None
    assert first["shares"] == [1.0, 0.0]
    assert {"cost", "quality", "shuffle_cost", "shuffle_quality"} <= set(first)
    assert content["policies"][1]["figures"]["apgr"]["low"] > 0.5
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
