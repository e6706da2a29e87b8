"""Labelled rows as tasks for the comparison of encoders."""

from collections.abc import Sequence

import numpy as np

from router.benchmarks.encoders import Task
from router.benchmarks.fine_tuned import Labelled
from router.benchmarks.folds import held_out
from router.classifier import TextEncoder
from router.data.rows import LabelledRow, separate
from router.training.train import TrainConfig
from router.types import GENERAL

__all__ = ["default_task", "public_task"]


def public_task(name: str, rows: Sequence[LabelledRow]) -> Task:
    """A public set with its own splits; its `general` rows are never trained on.

    Args:
        name: of the set.
        rows: with the splits `train` and `test`; where none is `validation`, a tenth of the
            training rows serves as that.
    """
    inside = [row for row in rows if row.domain != GENERAL]
    train, validation = (
        [row for row in inside if row.split == split] for split in ("train", "validation")
    )
    if not validation:
        aside = held_out([row.group for row in train], 0.1)
        validation = [row for row, held in zip(train, aside, strict=True) if held]
        train = [row for row, held in zip(train, aside, strict=True) if not held]
    test = [row for row in inside if row.split == "test"]
    outside = [row.text for row in rows if row.domain == GENERAL and row.split == "test"]
    return _task(name, (train, validation, test), outside)


def default_task(rows: Sequence[LabelledRow], encoder: TextEncoder) -> Task:
    """The default router's rows, separated as its training separates them."""
    vectors = encoder.encode([row.text.strip() for row in rows]).vectors
    splits = separate(rows, vectors, TrainConfig().near_duplicate)
    train, validation, test = (
        [rows[at] for at in part] for part in (splits.train, splits.validation, splits.test)
    )
    return _task("default domains", (train, validation, test), ())


def _task(
    name: str,
    parts: tuple[Sequence[LabelledRow], Sequence[LabelledRow], Sequence[LabelledRow]],
    outside: Sequence[str],
) -> Task:
    classes = tuple(sorted({row.domain for row in parts[0]}))
    train, validation, test = (
        Labelled(
            [row.text.strip() for row in part],
            np.array([classes.index(row.domain) for row in part], np.int64),
        )
        for part in parts
    )
    return Task(name, classes, train, validation, test, [text.strip() for text in outside])
