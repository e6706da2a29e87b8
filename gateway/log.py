"""The gateway's log: lines of JSON on standard error, one per request and one per failure.

Rule: no line contains text of a prompt or an answer. From the client it has only
`client_request_id`, `user` and `metadata`, by which its requests can be found. What an upstream
says of an error is here alone, cut and without secrets.
"""

import logging
from collections.abc import Mapping

from starlette.types import Scope
from typing_extensions import override

from deployments.log import log_as_json
from deployments.protocol import InvalidPrompt
from gateway.errors import ErrorResponse
from gateway.observer import RequestObserver
from gateway.record import Record
from router.dispatch import Answer

_LOGGERS = ("gateway", "deployments")
_log = logging.getLogger("gateway")
_access = logging.getLogger("gateway.access")


def log_requests() -> None:
    """Sends this process's log, the access log included, to standard error."""
    log_as_json(*_LOGGERS)


class RequestLog(RequestObserver):
    """Logs how one request ended, and details of failures that the client does not receive."""

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
        elif isinstance(error, InvalidPrompt) and error.detail:
            self._write(logging.WARNING, "a model's server refused a request", fields)

    @override
    def ended(self, time: float) -> None:
        record = self._record
        fields = {
            "request_id": record.request_id,
            "client_request_id": record.client_request_id,
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
        all_fields = {"request_id": self._record.request_id, **fields}
        _log.log(level, message, exc_info=error, extra={"fields": all_fields})
