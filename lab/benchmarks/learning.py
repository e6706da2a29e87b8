"""Head and OOD detector on fixed vectors, chosen on validation rows as in `lab.routing.train`."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lab.routing.calibrate import calibrate_ood
from lab.routing.fit import Part, fit_head, fit_prototypes
from lab.routing.metrics import log_loss
from lab.routing.train import TrainConfig
from router.head import Head
from router.ood import OodDetector


class Settings(NamedTuple):
    """Settings of a head: sub-clusters per domain, and scikit-learn's C of the logistic
    regression."""

    sub_clusters: int
    strength: float


def choose(
    classes: tuple[str, ...],
    fit: Part,
    check: Part,
    grid: Sequence[Settings],
    progress: Callable[[str], object] = lambda _: None,
) -> tuple[Head, Settings]:
    """The head with the lowest log loss on validation rows, and its settings.

    Args:
        classes: the domains.
        fit: rows to fit on.
        check: rows that choose.
        grid: the settings to try, without those with too many sub-clusters for the rows.
        progress: called on each trial.
    """
    most = max(
        1,
        min(int(np.bincount(fit.truth).min()) // 4, TrainConfig().most_clusters // len(classes)),
    )
    tried: list[tuple[float, Head, Settings]] = []
    for settings in grid:
        if settings.sub_clusters <= most:
            head = fit_head(classes, fit, *settings, TrainConfig().seed)
            loss = log_loss(head.probabilities(head.logits(check.vectors)), check.truth)
            tried.append((loss, head, settings))
            progress(f"{settings.sub_clusters} sub-clusters, C {settings.strength:g}: {loss:.4f}")
    _, head, settings = min(tried, key=lambda trial: trial[0])
    return head, settings


def detector_of(head: Head, fit: Part, check: Part) -> OodDetector:
    """The OOD detector of a head, with its threshold from validation rows."""
    config = TrainConfig()
    prototypes = fit_prototypes(
        head.classes, fit, config.prototypes, config.most_prototypes, config.seed
    )
    return calibrate_ood(head, prototypes, check, config.ood_quantile)
