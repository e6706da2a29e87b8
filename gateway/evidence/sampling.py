"""Which requests are compared: by a hash of their id, so that every gateway picks the same ones."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from gateway.config import NicheConfig
from router.selection.lifecycle import State
from router.types import Decision, Reason

_SENT_FOR_ITS_DOMAIN = frozenset({Reason.ROUTED, Reason.NO_ACTIVE_SPECIALIST})
_ON_TRIAL = frozenset({State.SHADOW, State.PROBATION})


def part_of(request_id: str, specialist: str) -> float:
    """A number in [0, 1) that a request id and a specialist always have, and no other has."""
    digest = hashlib.sha256(f"{specialist} {request_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


@dataclass(frozen=True)
class Sampling:
    """Picks specialists to compare on a request.

    Attributes:
        config: the specialists, and the shares.
        share: of the requests of an active specialist.
        trial_share: of the requests of a domain, for those on trial there.
        state: where a specialist stands.
    """

    config: NicheConfig
    share: float
    trial_share: float
    state: Callable[[str], State]

    def picked(self, request_id: str, decision: Decision) -> tuple[str, ...]:
        """The specialists whose answer to this request is to be compared with the generalist's.

        Only requests that the classifier is sure about count: the others are no specialist's.
        """
        if decision.reason not in _SENT_FOR_ITS_DOMAIN:
            return ()
        return tuple(
            name
            for name in self.config.models_of(decision.domain)
            if part_of(request_id, name) < self._share_of(name, decision)
        )

    def _share_of(self, specialist: str, decision: Decision) -> float:
        if specialist == decision.candidates[0]:
            return self.share
        return self.trial_share if self.state(specialist) in _ON_TRIAL else 0.0
