"""Reports: everything that was found is in them, and the pictures lie beside."""

from dataclasses import replace

import numpy as np
import pytest

from lab.routing.evaluate import evaluate
from lab.routing.report import EvaluationReport, promises, summary, write_report
from router.config import GuaranteeConfig
from router.errors import GuaranteeError
from router.trained import Calibration
from tests.lab.routing.scripted import FEASIBLE, INFEASIBLE, ROWS, STRANGERS, Scripted


@pytest.fixture
def again():
    """An artifact measured on rows."""
    return EvaluationReport(
        artifact="artifacts/mine",
        encoder="hashing",
        data={"my_file.jsonl": 7},
        found=evaluate(Scripted(), [*ROWS, *STRANGERS]),
        guarantees=(FEASIBLE, INFEASIBLE),
        notes=("2 < 3",),
    )


def test_a_training_is_told_in_full(trained, tmp_path):
    """Settings, splits, figures of test and unseen rows, and the pictures."""
    report = replace(trained[1], guarantees=(FEASIBLE,))
    path, *pictures = write_report(tmp_path / "new", report)
    text = path.read_text()
    for heading in (
        *("# Router: training report", "## Chosen on validation", "## What can be guaranteed"),
        *("## Test", "## Unseen sources", "### Domains", "### Sources", "## Reading the figures"),
    ):
        assert f"\n{heading}\n" in f"\n{text}"
    assert f"sha256 `{report.data_sha256}`" in text
    assert f"Minimum confidence: {report.trained.min_confidence:.2f}." in text
    assert [f"]({picture.name})" in text for picture in pictures] == [True] * 3
    assert all(picture.parent == path.parent for picture in pictures)


def test_an_evaluation_is_told_in_full(again):
    """Artifact, data, notes, guarantees and figures; what others wrote is escaped."""
    text = again.markdown()
    for named in ("artifacts/mine", "hashing", "my_file.jsonl (7 rows)"):
        assert named in text
    assert r"2 \< 3" in text
    assert FEASIBLE.sentence().replace(">", r"\>") in text
    assert "### Rows that no specialist should get" in text
    assert "### Most frequent confusions" in text


def test_prompts_are_announced_before_they_are_shown(again):
    """A reader is told that users' words follow."""
    section = again.markdown().split("### Confident and wrong\n\n")[1]
    assert section.startswith("**These are prompts as they were asked, and may hold words of your")
    assert "| 0.9500 | law | sql | sql | 0.95 -2 |" in section


def test_sections_without_content_are_left_out():
    """No strangers, no mistakes, no guarantee: no empty tables."""
    found = evaluate(Scripted(), [ROWS[0], ROWS[1]])
    text = EvaluationReport("a", "e", {"x": 2}, found).markdown()
    for heading in ("### Rows that", "### Confident", "## What can be", "### Most frequent"):
        assert heading not in text


def test_the_summary_has_the_main_tables(again):
    """What a terminal shows: figures, domains, strangers, guarantees."""
    text = summary(again.found, again.guarantees)
    for title in ("figure  ", "domain  ", "label  ", "alpha  "):
        assert f"\n{title}" in f"\n{text}"


def calibration(rows=400, excess=False):
    confidence = np.linspace(0.5, 1, rows)
    return Calibration(
        confidence=confidence,
        misroute=confidence < 0.55,
        excess_loss=np.full(rows, -0.5 if excess else np.nan),
        grid=np.array([0.9, 0.7, 0.5]),
    )


def test_the_usual_levels_are_promised_after_the_operators_own():
    """The own level comes first, and not twice."""
    own = GuaranteeConfig(alpha=0.2, delta=0.1)
    found = promises(calibration(), own)
    assert [(level.alpha, level.delta) for level in found] == [
        (0.2, 0.1),
        *((alpha, 0.05) for alpha in (0.01, 0.02, 0.05, 0.1)),
    ]
    assert len(promises(calibration(), GuaranteeConfig(alpha=0.05))) == 4


def test_paired_outcomes_are_promised_too():
    """Where the calibration rows have scores, the excess loss is bounded as well."""
    risks = [level.risk for level in promises(calibration(excess=True))]
    assert risks == ["misroute"] * 4 + ["excess_loss"] * 4


def test_without_calibration_rows_nothing_is_promised():
    """The table is empty; who asks for a level is told why there is none."""
    assert promises(calibration(rows=0)) == ()
    with pytest.raises(GuaranteeError, match="misroute"):
        promises(calibration(rows=0), GuaranteeConfig(alpha=0.05))
