"""The A/A test: an arm against itself must show no difference.

Pairs of prompts are drawn at random from the recorded answers of one arm, within their domain; of
each pair one stands for either arm. Both are then alike but for chance, and the statistics of the
comparison must say so, but for the one time in twenty that they are allowed to be wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.statistics.paired import compare_by_draws, smoothed_draws

REPETITIONS = 100


@dataclass(frozen=True)
class AATest:
    """How often no difference was found, in how many repetitions of how many pairs."""

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
    """Compares an arm with itself; None with too few prompts for a pair.

    Args:
        quality: of each answer in [0, 1], (rows,).
        domains: of each row.
        groups: of each row, (rows,): of a group one row takes part at a time, drawn anew each time.
        seed: of the pairs.
        repetitions: how often.
    """
    rng = np.random.default_rng([seed, len(quality)])
    taken: dict[int, NDArray[np.float64]] = {}
    seen = 0
    for _ in range(repetitions):
        first, second = _random_pairs(domains, groups, rng)
        alone = np.arange(len(first))
        if not len(alone):
            return None
        if len(alone) not in taken:  # mostly the same number: drawing takes the time
            # By this name the published figures were drawn.
            taken[len(alone)] = smoothed_draws(alone, "sameness")
        found = compare_by_draws(quality[first] - quality[second], alone, taken[len(alone)])
        seen += found.outcome != "ties"
    return AATest(repetitions, repetitions - seen, max(taken))


def _random_pairs(
    domains: Sequence[str], groups: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of either side."""
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
