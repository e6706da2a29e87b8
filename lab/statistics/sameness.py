"""The check of the check: an arm against itself must show no difference.

From the recorded answers of one arm pairs of prompts are dealt at random, within their domain; of
each pair one plays either arm. Both arms are then alike but for chance, and the same statistics
that judge the comparison must say so, but for the one time in twenty that they allow themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.statistics.paired import draws_of, judged

REPETITIONS = 100


@dataclass(frozen=True)
class Sameness:
    """How often no difference was seen, of how many times, and on how many pairs each."""

    repetitions: int
    without_difference: int
    pairs: int


def sameness(
    quality: NDArray[np.float64],
    domains: Sequence[str],
    groups: NDArray[np.int64],
    seed: int,
    repetitions: int = REPETITIONS,
) -> Sameness | None:
    """Compares an arm with itself; None with too few prompts to deal a pair.

    Args:
        quality: of each answer in [0, 1], (rows,).
        domains: of each row.
        groups: of each row, (rows,): of a group one row plays at a time, drawn anew each time.
        seed: deals the pairs.
        repetitions: how often.
    """
    rng = np.random.default_rng([seed, len(quality)])
    taken: dict[int, NDArray[np.int64]] = {}
    seen = 0
    for _ in range(repetitions):
        first, second = _dealt(domains, groups, rng)
        alone = np.arange(len(first))
        if not len(alone):
            return None
        if len(alone) not in taken:  # as often as not the same number: drawing takes the time
            taken[len(alone)] = draws_of(alone, "sameness")
        found = judged(quality[first] - quality[second], alone, taken[len(alone)])
        seen += found.outcome != "ties"
    return Sameness(repetitions, repetitions - seen, max(taken))


def _dealt(
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
