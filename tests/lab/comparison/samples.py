"""Samples made by hand: arms whose quality, cost and times are given row by row."""

from collections.abc import Mapping, Sequence

import numpy as np

from lab.comparison.rows import Row, Turn
from lab.comparison.sample import Arm, Sample
from router.grading.counts import Reference


def arm(name: str, quality: Sequence[float], **arrays: Sequence[float | None]) -> Arm:
    """An arm; what is not given is not known."""
    rows = len(quality)
    names = (
        *("list_cost", "attributed_cost", "engine_seconds", "first_seconds", "seconds"),
        *("per_token_seconds", "longest_gap_seconds", "tokens"),
    )
    columns = {
        of: np.array([np.nan if v is None else v for v in arrays.get(of, [None] * rows)], float)
        for of in names
    }
    models = arrays.get("models", [name] * rows)
    return Arm(
        name=name,
        quality=np.array(quality, float),
        failed=np.zeros(rows, bool),
        models=tuple(models),
        texts=tuple(f"{name} says" for _ in range(rows)),
        **columns,
    )


def sample_of(arms: Sequence[Arm], domains: Sequence[str] = ()) -> Sample:
    """The arms on as many prompts as they have answers, each a group of its own."""
    count = len(arms[0].quality)
    named = tuple(domains or ["all"] * count)
    chat = (Turn(role="user", content="<why>?"),)
    rows = tuple(
        Row(str(place), chat, chat, "text", Reference("because"), named[place])
        for place in range(count)
    )
    found: Mapping[str, Arm] = {of.name: of for of in arms}
    return Sample(rows, named, np.arange(count), found)
