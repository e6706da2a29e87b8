"""The gateway's log: lines of JSON on stderr, one per request and one per failure.

Rule: a line holds nothing of a prompt or an answer. Of the client's words it has the request id,
`user` and `metadata`, which are there to be found again.
"""

import logging
from collections.abc import Mapping

from starlette.types import Scope
from typing_extensions import override

from deployments.log import log_as_json
from gateway.errors import ErrorResponse
from gateway.observer import RequestObserver
from gateway.record import Record
from router.dispatch import Answer

_LOGGERS = ("gateway", "deployments")
_log = logging.getLogger("gateway")
_access = logging.getLogger("gateway.access")


def log_requests() -> None:
    """Sends this process's log, the access log included, to stderr."""
    for name in _LOGGERS:
        log_as_json(name)


class RequestLog(RequestObserver):
    """Logs one request: how it ended, and what its client is not told of its failures."""

    def __init__(self, record: Record, scope: Scope) -> None:
        self._record = record
        self._method, self._path = scope["method"], scope["path"][:200]

    @override
    def answered(self, answer: Answer, time: float) -> None:
        for attempt in answer.attempts:
            if attempt.error is not None:
                fields = {"model": attempt.model, "detail": repr(attempt.error)}
                self._write(logging.WARNING, "a model was passed over", fields)

    @override
    def failed(self, error: BaseException, response: ErrorResponse) -> None:
        fields = {
            "trace_id": self._record.trace_id,
            "model": self._record.model,
            "error": response.code,
            "detail": repr(error),
        }
        if response.unexpected:
            self._write(logging.ERROR, "unexpected failure", fields, error)
        elif response.status >= 500:
            self._write(logging.WARNING, "a model failed", fields)

    @override
    def ended(self, time: float) -> None:
        record = self._record
        fields = {
            "request_id": record.request_id,
            "trace_id": record.trace_id,
            "method": self._method,
            "path": self._path,
            "status": record.status,
            "error": record.code,
            "domain": record.domain,
            "model": record.model,
            "reason": record.reason,
            "latency_seconds": round(time - record.started, 6),
            "prompt_tokens": record.usage.prompt_tokens,
            "completion_tokens": record.usage.completion_tokens,
            "user": record.user,
            "metadata": record.metadata,
        }
        _access.info("request", extra={"fields": fields})

    def _write(
        self,
        level: int,
        message: str,
        fields: Mapping[str, object],
        error: BaseException | None = None,
    ) -> None:
        known = {"request_id": self._record.request_id, **fields}
        _log.log(level, message, exc_info=error, extra={"fields": known})
