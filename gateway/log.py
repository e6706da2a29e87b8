"""The gateway's log: lines of JSON on stderr, one per request and one per failure."""

from deployments.log import log_as_json

ACCESS_LOGGER = "gateway.access"
_LOGGERS = ("gateway", "deployments")


def log_requests() -> None:
    """Sends this process's log, the access log included, to stderr."""
    for name in _LOGGERS:
        log_as_json(name)
