"""Own prompts to a router, with an encoder that needs no weights."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.training import own_rows, train_router
from lab.routing.data.dataset import LabelledQuery
from lab.routing.data.feedback import prompt_sha256
from router.artifact import load_artifact
from router.config import GuaranteeConfig
from router.errors import TrainingError
from router.types import Query
from tests.router.fakes import HashingEncoder, toy_rows


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def toy(*domains: str, each: int = 40) -> list[dict[str, Any]]:
    return [
        {"text": row.text, "domain": row.domain} for row in toy_rows(each) if row.domain in domains
    ]


def test_files_are_read_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their rows are counted, and each keeps the name of its file."""
    one = written(tmp_path / "one.jsonl", toy("sql"))
    two = written(tmp_path / "two.jsonl", toy("general"))

    rows = own_rows([one, two])

    assert {(row.domain, row.source) for row in rows} == {
        ("sql", "one.jsonl"),
        ("general", "two.jsonl"),
    }
    assert "80 prompts of 2 domains" in capsys.readouterr().err


def test_one_domain_of_ones_own_joins_the_others(tmp_path: Path) -> None:
    """A single new domain is enough beside rows of other domains, and its labels come first."""
    others = [row for row in toy_rows() if row.domain != "sql"]

    rows = own_rows([written(tmp_path / "new.jsonl", toy("sql"))], beside=others)

    assert [row.domain for row in rows] == ["sql"] * 40 + [row.domain for row in others]


def test_contradictions_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first few by name, the others counted."""
    disputed = [
        {"text": f"text {number}", "domain": domain}
        for number in range(8)
        for domain in ("sql", "general")
    ]

    own_rows([written(tmp_path / "a.jsonl", disputed)])

    said = capsys.readouterr().err
    assert "'text 0' stands in general, sql: the first counts" in said
    assert "and so do 3 other texts" in said


def test_a_judged_log_adds_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hashed prompts are found among the given ones, with or without a domain."""
    rows = toy("sql", "general")
    texts = [row["text"] for row in rows if row["domain"] == "sql"]
    log = [
        {
            "request_id": str(number),
            "domain": "tools",
            "reason": "routed",
            "prompt_sha256": prompt_sha256(Query(text=text)),
        }
        for number, text in enumerate(texts)
    ]
    unlabelled = [{"text": text} for text in texts] + toy("general")
    judged = [{"request_id": line["request_id"], "domain": "sql"} for line in log]

    found = own_rows(
        [written(tmp_path / "data.jsonl", unlabelled)],
        written(tmp_path / "log.jsonl", log),
        written(tmp_path / "feedback.jsonl", judged),
    )

    assert [row.domain for row in found].count("sql") == 40
    assert "      40  became labelled prompts" in capsys.readouterr().err


def test_rows_of_one_domain_are_refused_at_once(tmp_path: Path) -> None:
    """Before anything takes long."""
    with pytest.raises(TrainingError, match="all 40 rows have the domain sql"):
        own_rows([written(tmp_path / "a.jsonl", toy("sql"))])


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
