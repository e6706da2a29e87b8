"""Who answered, over the stream."""

from collections import Counter
from collections.abc import Sequence


def shares(models: Sequence[str], window: int) -> dict[str, list[float]]:
    """Each model's share of the latest requests, at every request.

    Args:
        models: who answered, in the order of sending.
        window: of how many requests; there are fewer at the beginning.

    Returns:
        By model, in the order of their names, as many values as `models`; those of a request add
        up to 1.
    """
    found: dict[str, list[float]] = {name: [] for name in sorted(set(models))}
    counts: Counter[str] = Counter()
    for place, model in enumerate(models):
        counts[model] += 1
        if place >= window:
            counts[models[place - window]] -= 1
        for name, values in found.items():
            values.append(counts[name] / min(place + 1, window))
    return found
