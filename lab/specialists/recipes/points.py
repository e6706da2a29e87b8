"""A point of a curve: what was graded, and kept beside what it was made under, so that a curve that
was cut does no work twice."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from lab.specialists.recipes.evaluate import Score


@dataclass(frozen=True, kw_only=True)
class Graded:
    """What the points of all curves have.

    Attributes:
        quality: under the niche's measure, on the test rows.
        low: of its 95 % interval.
        high: of its 95 % interval.
        test_rows: how many were graded.
        cut: answers that the length limit ended.
        mean_answer_tokens: of the answers.
    """

    quality: float
    low: float
    high: float
    test_rows: int
    cut: int
    mean_answer_tokens: float


P = TypeVar("P", bound=Graded)


def figures(score: Score) -> dict[str, Any]:
    """A score as the fields of a `Graded`."""
    return {
        "quality": score.quality,
        "low": score.low,
        "high": score.high,
        "test_rows": score.examples,
        "cut": score.cut,
        "mean_answer_tokens": score.mean_answer_tokens,
    }


def made_once(folder: Path, identity: dict[str, Any], kind: type[P], make: Callable[[], P]) -> P:
    """The point that is kept in the folder, if it was made under the same identity; else a new one.

    Args:
        folder: of this point alone; made where it is not there.
        identity: all that the point depends on, as JSON can hold it.
        kind: of point.
        make: makes it.
    """
    path = folder / "point.json"
    same = json.loads(json.dumps(identity))  # as it is read back: JSON's lists are no tuples
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["identity"] == same:
            return kind(**found["point"])
    point = make()
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"identity": same, "point": asdict(point)}, indent=2)
    path.write_text(f"{text}\n", encoding="utf-8")
    return point
