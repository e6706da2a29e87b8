"""From labelled prompts to an artifact with its report, with an encoder that needs no weights."""

from pathlib import Path

from lab.routing.data.dataset import LabelledQuery
from lab.routing.training.router import train_router
from router.artifact import load_artifact
from router.config import GuaranteeConfig
from router.types import Query
from tests.router.fakes import HashingEncoder, toy_rows


def test_training_writes_an_artifact_with_its_report(tmp_path: Path) -> None:
    """What was trained can be loaded, and the report holds the operator's level first."""
    rows = [LabelledQuery(Query(text=row.text), row.domain, group=row.group) for row in toy_rows()]

    report = train_router(rows, HashingEncoder(), tmp_path, GuaranteeConfig(alpha=0.3))

    classifier = load_artifact(tmp_path, HashingEncoder())
    assert classifier.classes_ == ("general", "sql", "tools")
    assert [level.alpha for level in report.guarantees][:2] == [0.3, 0.01]
    assert (
        report.guarantees[0].sentence().replace(">", r"\>") in (tmp_path / "report.md").read_text()
    )
    assert {path.name for path in tmp_path.glob("*.png")} == {
        *("confusion.png", "reliability.png", "risk_coverage.png")
    }
