"""BANKING77: 77 similar intents of one domain, which test the head alone."""

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.metrics import f1_score

from lab.benchmarks.figures import Bar, Figure, Result, share
from lab.benchmarks.folds import held_out
from lab.benchmarks.learning import Settings, choose
from lab.routing.fit import Part, fit_head
from lab.routing.metrics import calibration_error
from lab.routing.rows import LabelledRow
from router.classifier import TextEncoder

_GRID = tuple(Settings(1, strength) for strength in (10.0, 30.0, 100.0, 300.0))
"""The settings to try; a tenth of the training rows, by group, chooses."""


def banking77(
    rows: Sequence[LabelledRow],
    encoder: TextEncoder,
    progress: Callable[[str], object] = lambda _: None,
) -> Result:
    """Accuracy on the test rows, of a head that was fitted on all training rows.

    Args:
        rows: of BANKING77.
        encoder: turns texts into vectors.
        progress: called on each step.
    """
    vectors = encoder.encode([row.text.strip() for row in rows]).vectors
    classes = tuple(sorted({row.domain for row in rows}))
    truth = np.array([classes.index(row.domain) for row in rows])
    train, test = (
        np.flatnonzero([row.split == name for row in rows]) for name in ("train", "test")
    )
    aside = held_out([rows[index].group for index in train.tolist()], 0.1)
    fit, check, everything = (
        Part(vectors[at], truth[at]) for at in (train[~aside], train[aside], train)
    )
    _, settings = choose(classes, fit, check, _GRID, progress)
    head = fit_head(classes, everything, *settings, 0)
    found = head.probabilities(head.logits(vectors[test]))
    chosen = found.argmax(axis=1)
    return Result(
        "banking77",
        (
            share("accuracy, 77 intents", chosen == truth[test], Bar(0.935)),
            Figure("macro-F1", float(f1_score(truth[test], chosen, average="macro"))),
            Figure("ECE", calibration_error(found, truth[test])),
        ),
        (
            f"{len(train)} training rows, {len(test)} test rows; "
            f"C = {settings.strength:g}, chosen on a tenth.",
        ),
    )
