"""Says in the log when the router's guarantee ceases to hold, since no specialist of some domain
gets requests, and when it holds again."""

import logging
from collections.abc import Callable

from router.policy import Access, Policy

_log = logging.getLogger("gateway.routing")


class GuaranteeWatch:
    """The guarantee of one gateway process.

    Args:
        policy: knows what is guaranteed.
        active: whether a specialist gets requests.
    """

    def __init__(self, policy: Policy, active: Callable[[str], bool]) -> None:
        self._policy, self._access = policy, Access(active=active)
        self._voided_by: tuple[str, ...] = ()

    def look(self) -> None:
        """Logs a change since the last look; at first the guarantee is taken to hold."""
        found = self._policy.guarantee_voided_by(self._access)
        if found == self._voided_by:
            return
        self._voided_by = found
        fields = {"domains": list(found)}
        if found:
            why = "the router guarantee does not hold: domains have no active specialist"
            _log.warning(why, extra={"fields": fields})
        else:
            _log.info("the router guarantee holds again", extra={"fields": fields})
