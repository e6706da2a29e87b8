"""What was measured so far."""

import pytest

from loadtests.bench.journal import Journal, Sample, Step
from loadtests.traffic.errors import LoadTestError

ABOUT = {"commit": "abc", "settings": {"clients": (1, 16)}}
STEP = Step(1, "bare", "whole", 16)
VALUES = {"requests_per_second": 12.5, "p50_seconds": None}


def test_a_later_run_continues(tmp_path) -> None:
    """With measurements and remarks."""
    first = Journal(tmp_path / "out" / "samples.jsonl", ABOUT)
    first.add(STEP, VALUES)
    first.note("busy")

    second = Journal(tmp_path / "out" / "samples.jsonl", ABOUT)
    second.add(Step(1, "bare", "memory"), {})

    assert second.samples[0] == Sample(STEP, VALUES)
    assert second.done == {STEP, Step(1, "bare", "memory")}
    assert second.notes == ["busy"]
    assert second.values(STEP) == VALUES
    assert second.values(Step(2, "bare", "whole", 16)) is None


def test_a_run_of_something_else_is_not_continued(tmp_path) -> None:
    """The error names what differs."""
    Journal(tmp_path / "samples.jsonl", ABOUT)

    with pytest.raises(LoadTestError, match="commit"):
        Journal(tmp_path / "samples.jsonl", ABOUT | {"commit": "def"})


def test_half_a_line_of_an_interrupted_run_is_measured_again(tmp_path) -> None:
    """The lines before it count."""
    path = tmp_path / "samples.jsonl"
    Journal(path, ABOUT).add(STEP, VALUES)
    with path.open("a") as file:
        file.write('{"step": {"round"')

    continued = Journal(path, ABOUT)
    continued.add(Step(2, "bare", "memory"), {})

    assert Journal(path, ABOUT).done == {STEP, Step(2, "bare", "memory")}


@pytest.mark.parametrize("text", ["", "hello\n", "[]\n"], ids=["empty", "no JSON", "no run"])
def test_another_file_is_not_overwritten(tmp_path, text: str) -> None:
    """It is an error."""
    path = tmp_path / "samples.jsonl"
    path.write_text(text)

    with pytest.raises(LoadTestError):
        Journal(path, ABOUT)


def test_a_remark_is_kept_once(tmp_path) -> None:
    """Each round would repeat it."""
    journal = Journal(tmp_path / "samples.jsonl", ABOUT)
    journal.note("left out")
    journal.note("left out")

    assert Journal(tmp_path / "samples.jsonl", ABOUT).notes == ["left out"]
