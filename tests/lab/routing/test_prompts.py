"""The prompts that a router is trained on: files together, and what a judged log adds."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.routing.feedback import prompt_sha256
from lab.routing.prompts import labelled_prompts
from router.errors import TrainingError
from router.types import Query
from tests.router.fakes import toy_rows


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def toy(*domains: str, each: int = 40) -> list[dict[str, Any]]:
    return [
        {"text": row.text, "domain": row.domain} for row in toy_rows(each) if row.domain in domains
    ]


def test_files_are_read_together(tmp_path: Path) -> None:
    """Their rows are counted, and each keeps the name of its file."""
    one = written(tmp_path / "one.jsonl", toy("sql"))
    two = written(tmp_path / "two.jsonl", toy("general"))

    progress: list[str] = []
    rows = labelled_prompts([one, two], progress=progress.append)

    assert {(row.domain, row.source) for row in rows} == {
        ("sql", "one.jsonl"),
        ("general", "two.jsonl"),
    }
    assert progress == ["80 prompts of 2 domains"]


def test_one_domain_of_ones_own_joins_the_others(tmp_path: Path) -> None:
    """A single new domain is enough beside rows of other domains, and its labels come first."""
    others = [row for row in toy_rows() if row.domain != "sql"]

    rows = labelled_prompts([written(tmp_path / "new.jsonl", toy("sql"))], beside=others)

    assert [row.domain for row in rows] == ["sql"] * 40 + [row.domain for row in others]


def test_contradictions_are_reported(tmp_path: Path) -> None:
    """The first few by name, the others counted."""
    disputed = [
        {"text": f"text {number}", "domain": domain}
        for number in range(8)
        for domain in ("sql", "general")
    ]

    progress: list[str] = []
    labelled_prompts([written(tmp_path / "a.jsonl", disputed)], progress=progress.append)

    _, *named, others = progress
    assert [line.partition("' ")[0] for line in named] == [f"'text {number}" for number in range(5)]
    assert all("general, sql" in line for line in named)
    assert "3" in others.split()


def test_a_judged_log_adds_rows(tmp_path: Path) -> None:
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

    found = labelled_prompts(
        [written(tmp_path / "data.jsonl", unlabelled)],
        written(tmp_path / "log.jsonl", log),
        written(tmp_path / "feedback.jsonl", judged),
    )

    assert [row.domain for row in found].count("sql") == 40


def test_rows_of_one_domain_are_refused_at_once(tmp_path: Path) -> None:
    """Before anything takes long."""
    with pytest.raises(TrainingError, match="sql"):
        labelled_prompts([written(tmp_path / "a.jsonl", toy("sql"))])
