"""What other ways to choose would have scored on the same prompts, by answers that are known.

    selection       what the users got
    always route    the specialist that the classifier chose, whatever its state
    all generalist  the generalist for everything
    per domain      for each specialist and phase the better of it and the generalist, on average;
                    known in hindsight only, and the most that selection by domain can reach
    oracle          for each prompt the better of the two answers; nobody can know it beforehand

The regret of a way is how much less it scored than the oracle. Where the classifier chose no
specialist, all of them have the generalist's answer.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from lab.demonstration.records import Request

SELECTION, ALWAYS, GENERALIST, DOMAIN, ORACLE = WAYS = (
    "selection",
    "always route",
    "all generalist",
    "per domain",
    "oracle",
)


def known(requests: Sequence[Request], generalist: str) -> tuple[Request, ...]:
    """The requests of which every answer that counts is known."""
    return tuple(
        request
        for request in requests
        if request.model is not None
        and {generalist, request.specialist or generalist, request.model} <= request.outcomes.keys()
    )


def scores(requests: Sequence[Request], generalist: str) -> dict[str, list[float]]:
    """What each way scores at each request.

    Args:
        requests: of `known`.
        generalist: its name.
    """
    better = _better(requests, generalist)
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for request in requests:
        outcomes, routed = request.outcomes, request.specialist or generalist
        found[SELECTION].append(outcomes[request.model or generalist])
        found[ALWAYS].append(outcomes[routed])
        found[GENERALIST].append(outcomes[generalist])
        found[DOMAIN].append(outcomes[better.get((request.phase, routed), generalist)])
        found[ORACLE].append(max(outcomes[routed], outcomes[generalist]))
    return found


def regret(scored: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """The regret of each way but the oracle, summed up to each request."""
    return {
        way: list(accumulate(best - got for best, got in zip(scored[ORACLE], values, strict=True)))
        for way, values in scored.items()
        if way != ORACLE
    }


def _better(requests: Sequence[Request], generalist: str) -> dict[tuple[int, str], str]:
    """By phase and specialist the better of it and the generalist."""
    gained: dict[tuple[int, str], float] = {}
    for request in requests:
        if request.specialist is not None:
            gain = request.outcomes[request.specialist] - request.outcomes[generalist]
            key = (request.phase, request.specialist)
            gained[key] = gained.get(key, 0.0) + gain
    return {key: key[1] if gain > 0 else generalist for key, gain in gained.items()}
