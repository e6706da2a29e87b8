"""The files of a demonstration, computed from its journal."""

import json
from pathlib import Path

from lab.comparison.errors import ComparisonError
from lab.demonstration.figures import figures
from lab.demonstration.records import read_story
from lab.demonstration.report import markdown

JOURNAL = "journal.jsonl"
"""Its first line says how it was made: `generalist`, `planted` (names) and `about` (lines)."""


def write_results(out: Path) -> tuple[Path, ...]:
    """Writes `report.json`, `report.md` and `shares.png` beside the journal.

    Args:
        out: the folder with the journal; a last line that was cut is passed over.

    Raises:
        ComparisonError: the journal cannot be read, or tells of no answer.
    """
    try:
        whole, _, _ = (out / JOURNAL).read_text(encoding="utf-8").rpartition("\n")
    except OSError as error:
        raise ComparisonError(f"{out / JOURNAL}: cannot be read: {error.strerror}") from error
    head, *lines = map(json.loads, filter(None, whole.split("\n")))
    story = read_story(lines)
    if not any(request.model for request in story.requests):
        raise ComparisonError(f"{out / JOURNAL}: nothing was answered; there is nothing to tell")
    found = figures(story, head["generalist"])
    data, text, picture = (out / name for name in ("report.json", "report.md", "shares.png"))
    fields = {**found, "planted": head["planted"], "about": head["about"]}
    data.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    text.write_text(markdown(found, head["planted"], head["about"]), encoding="utf-8")
    from lab.demonstration.plot import draw  # noqa: PLC0415 - matplotlib takes seconds

    draw(story, head["generalist"], head["planted"], picture)
    return data, text, picture
