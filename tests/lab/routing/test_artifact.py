"""An artifact measured again, with an encoder that needs no weights."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.datasets.manifest import DatasetError
from lab.routing.artifact import Data, evaluate_artifact, read_held_out
from lab.routing.rows import Row
from lab.routing.train import train_router
from router.config import GuaranteeConfig
from router.errors import ArtifactError, DataError
from tests.router.fakes import HashingEncoder, toy_rows


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("artifact")
    train_router(toy_rows(), HashingEncoder(), path)
    return str(path)


def data(*extra: Row) -> Data:
    return {"toy": [*(row for row in toy_rows() if row.split == "test"), *extra]}


def strangers() -> list[Row]:
    return [Row(f"gavel verdict {number}", "law", str(number)) for number in range(20)]


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_figures_of_the_training_are_found_again(artifact: str) -> None:
    """The same rows give the same figures."""
    report = evaluate_artifact(artifact, HashingEncoder(), data())

    metrics = json.loads((Path(artifact) / "artifact.json").read_text())["metrics"]
    assert report.found.metrics() == metrics
    assert (report.artifact, report.encoder, report.notes) == (artifact, "hashing", ())
    assert report.data == {"toy": 60}
    assert [level.alpha for level in report.guarantees] == [0.01, 0.02, 0.05, 0.1]


def test_a_level_of_the_operators_own_sets_the_threshold(artifact: str) -> None:
    """What cannot be guaranteed routes nothing; the note says so."""
    report = evaluate_artifact(artifact, HashingEncoder(), data(), GuaranteeConfig(alpha=0.001))

    assert report.guarantees[0].threshold is None
    assert report.found.routed == 0
    assert report.notes[0].startswith(
        "Requests are routed at the guarantee's threshold: infeasible"
    )


def test_unknown_domains_are_noted(artifact: str) -> None:
    """They count as general."""
    report = evaluate_artifact(artifact, HashingEncoder(), data(*strangers()))

    [note] = report.notes
    assert note.startswith("20 rows have domains that the artifact does not know (law): they count")
    assert [line.domain for line in report.found.outside] == ["general", "law"]


def test_many_unknown_domains_are_noted_in_short(artifact: str) -> None:
    """The most frequent ten by name."""
    many = [Row(f"text {number}", f"domain-{number}", "g") for number in range(13)]

    [note] = evaluate_artifact(artifact, HashingEncoder(), data(*many)).notes

    assert " and 3 others)" in note


def test_strangers_alone_are_an_out_of_scope_set(artifact: str) -> None:
    """The share that would be routed is what it measures."""
    report = evaluate_artifact(artifact, HashingEncoder(), {"law": strangers()})

    assert report.notes[1].startswith("No row is of a niche that the artifact knows")
    assert report.found.outside[0].rows == 20


def test_an_artifact_of_another_encoder_is_refused(artifact: str) -> None:
    """Its figures would be noise."""
    other = HashingEncoder()
    other.sha256 = "0" * 64

    with pytest.raises(ArtifactError, match="encoder"):
        evaluate_artifact(artifact, other, data())


def test_rows_that_are_not_held_out_are_left_out(tmp_path: Path) -> None:
    """A figure on rows of training would flatter."""
    path = written(
        tmp_path / "a.jsonl",
        *({"text": name, "domain": "sql", "split": name} for name in ("train", "test", "unseen")),
        {"text": "none", "domain": "sql"},
    )

    found = read_held_out([path])

    assert [row.text for row in found[str(path)]] == ["test", "unseen", "none"]


def test_a_file_without_held_out_rows_is_refused(tmp_path: Path) -> None:
    """The error says which rows may be measured on."""
    path = written(tmp_path / "a.jsonl", {"text": "x", "domain": "sql", "split": "train"})

    with pytest.raises(DataError, match=r"a\.jsonl.*test"):
        read_held_out([path])


def test_an_unknown_public_set_is_named(tmp_path: Path) -> None:
    """With the known ones."""
    with pytest.raises(DatasetError, match=r"mnist.*clinc150"):
        read_held_out([], ["mnist"], tmp_path)
