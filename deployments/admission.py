"""Whether a request may wait for its slot: a pure function."""

from dataclasses import dataclass
from typing import Literal

Cause = Literal["queue", "wait", "deadline"]
"""Why a request is refused: too many wait, or it would wait for too long, or its answer would come
too late."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request must not wait.

    Attributes:
        cause: why.
        excess_seconds: by how much it would wait too long.
    """

    cause: Cause
    excess_seconds: float


def refusal(
    wait: float, service: float, max_wait: float | None, deadline: float | None
) -> Refusal | None:
    """Why a request must not wait; None: it may. Who finds a slot free is never refused, since the
    time of its answer is not known.

    Args:
        wait: seconds that it would wait.
        service: seconds of a usual answer.
        max_wait: seconds that it may wait; None: any number.
        deadline: seconds until its answer has to be complete; None: no deadline.
    """
    if wait <= 0:
        return None
    if max_wait is not None and wait > max_wait:
        return Refusal("wait", wait - max_wait)
    if deadline is not None and wait + service > deadline:
        return Refusal("deadline", wait + service - deadline)
    return None
