"""The A/A test: an arm against itself must show no difference.

Pairs of prompts are drawn at random from the recorded answers of one arm, within their domain; one
of each pair goes to each arm. The arms then differ only by chance, and the comparison may report a
difference in at most one of twenty repetitions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.statistics.paired import compare_by_draws, smoothed_draws

REPETITIONS = 100


@dataclass(frozen=True)
class AATest:
    """The number of repetitions without a difference, of all repetitions, each of `pairs` pairs."""

    repetitions: int
    without_difference: int
    pairs: int


def aa_test(
    quality: NDArray[np.float64],
    domains: Sequence[str],
    groups: NDArray[np.int64],
    seed: int,
    repetitions: int = REPETITIONS,
) -> AATest | None:
    """Compares an arm with itself; None if the prompts are too few for a pair.

    Args:
        quality: the quality of each answer in [0, 1], (rows,).
        domains: the domain of each row.
        groups: the group of each row, (rows,); each repetition draws one row per group.
        seed: the seed of the draws.
        repetitions: their number.
    """
    rng = np.random.default_rng([seed, len(quality)])
    taken: dict[int, NDArray[np.float64]] = {}
    seen = 0
    for _ in range(repetitions):
        first, second = _random_pairs(domains, groups, rng)
        alone = np.arange(len(first))
        if not len(alone):
            return None
        if len(alone) not in taken:  # mostly the same number, and drawing is the slow part
            # Published figures depend on this name: it seeds the draws.
            taken[len(alone)] = smoothed_draws(alone, "sameness")
        found = compare_by_draws(quality[first] - quality[second], alone, taken[len(alone)])
        seen += found.outcome != "ties"
    return AATest(repetitions, repetitions - seen, max(taken))


def _random_pairs(
    domains: Sequence[str], groups: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of each side."""
    order = rng.permutation(len(domains))
    _, firsts = np.unique(groups[order], return_index=True)
    waiting: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    for row in order[np.sort(firsts)].tolist():
        other = waiting.pop(domains[row], None)
        if other is None:
            waiting[domains[row]] = row
        else:
            pairs.append((other, row))
    sides = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return sides[:, 0], sides[:, 1]
