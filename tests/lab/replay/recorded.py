"""Toy outcomes: a cheap and a dear model, and two domains of which one gains by the dear one."""

import numpy as np

from lab.replay.outcomes import Outcomes, RecordedRow, gather


def recorded(rows: int = 80, *, grouped: bool = True) -> Outcomes:
    """Half of the prompts are `easy`: both are right. On `hard` ones only the dear model is."""
    return gather(
        [
            RecordedRow(
                prompt=f"{'hard' if number % 2 else 'easy'} prompt {number}",
                scores={"dear": 1.0, "cheap": float(number % 2 == 0)},
                costs={"dear": 10.0, "cheap": 1.0},
                group=("hard" if number % 2 else "easy") if grouped else None,
            )
            for number in range(rows)
        ]
    )


def by_lot(rows: int, models: int, seed: int = 0) -> Outcomes:
    """Outcomes of chance, in ten groups that mean nothing."""
    rng = np.random.default_rng(seed)
    names = [f"m{number}" for number in range(models)]
    return gather(
        [
            RecordedRow(
                prompt=f"prompt {number}",
                scores=dict(zip(names, rng.integers(0, 2, models).tolist(), strict=True)),
                costs=dict(zip(names, (rng.random(models) * 3 + range(models)), strict=True)),
                group=f"g{number % 10}",
            )
            for number in range(rows)
        ]
    )
