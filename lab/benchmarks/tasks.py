"""Data sets as classification tasks: the same rows for every encoder and head under comparison."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.benchmarks.fine_tuned import Labelled
from lab.benchmarks.folds import held_out
from lab.routing.rows import LabelledRow, separate
from lab.routing.train import TrainConfig
from router.classifier import TextEncoder
from router.types import GENERAL


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A data set with its splits.

    Attributes:
        name: the set's name.
        classes: the domains; `general` may be one of them.
        train: rows to fit on.
        validation: rows to choose settings on.
        test: rows to evaluate on.
        outside: test texts that belong to none of the classes; may be empty.
        elsewhere: rows of sources that are not in `train`; None if the set has none.
    """

    name: str
    classes: tuple[str, ...]
    train: Labelled
    validation: Labelled
    test: Labelled
    outside: Sequence[str] = ()
    elsewhere: Labelled | None = None


def public_task(name: str, rows: Sequence[LabelledRow]) -> Task:
    """A public set with its own splits; its `general` rows are never trained on.

    Args:
        name: the set's name.
        rows: with the splits `train` and `test`; without `validation`, a tenth of the training rows
            is used for it.
    """
    inside = [row for row in rows if row.domain != GENERAL]
    train, validation, test = (
        [row for row in inside if row.split == split] for split in ("train", "validation", "test")
    )
    if not validation:
        aside = held_out([row.group for row in train], 0.1)
        validation = [row for row, held in zip(train, aside, strict=True) if held]
        train = [row for row, held in zip(train, aside, strict=True) if not held]
    classes = _classes(train)
    return Task(
        name,
        classes,
        _labelled(train, classes),
        _labelled(validation, classes),
        _labelled(test, classes),
        outside=[row.text for row in rows if row.domain == GENERAL and row.split == "test"],
    )


def default_task(rows: Sequence[LabelledRow], encoder: TextEncoder) -> Task:
    """The default router's rows, split as in its training."""
    vectors = encoder.encode([row.text.strip() for row in rows]).vectors
    splits = separate(rows, vectors, TrainConfig().near_duplicate)
    classes = _classes(rows)
    train, validation, test, unseen = (
        _labelled([rows[at] for at in part], classes)
        for part in (splits.train, splits.validation, splits.test, splits.unseen)
    )
    return Task("default domains", classes, train, validation, test, elsewhere=unseen)


def _classes(rows: Sequence[LabelledRow]) -> tuple[str, ...]:
    return tuple(sorted({row.domain for row in rows}))


def _labelled(rows: Sequence[LabelledRow], classes: tuple[str, ...]) -> Labelled:
    return Labelled(
        [row.text.strip() for row in rows],
        np.array([classes.index(row.domain) for row in rows], np.int64),
    )
