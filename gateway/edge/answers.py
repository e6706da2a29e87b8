"""What HAProxy says itself, as the gateway's errors are: JSON in OpenAI's shape."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EdgeAnswer:
    """An answer of the edge: HTTP's reason phrase, OpenAI's `type` and `code`, and the message."""

    reason: str
    type: str
    code: str
    message: str

    def body(self) -> dict[str, object]:
        """The error."""
        detail = {"message": self.message, "type": self.type, "param": None, "code": self.code}
        return {"error": detail}

    def http(self, status: int) -> bytes:
        """The whole response, as a file that HAProxy sends as it is."""
        body = json.dumps(self.body()).encode()
        retry = "retry-after: 1\r\n" if status in _RETRIED else ""
        head = (
            f"HTTP/1.1 {status} {self.reason}\r\ncontent-type: application/json\r\n{retry}"
            f"content-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
        )
        return head.encode() + body


_INVALID, _SERVER = "invalid_request_error", "server_error"
_RETRIED = frozenset({429, 503})

ANSWERS: dict[int, EdgeAnswer] = {
    400: EdgeAnswer("Bad Request", _INVALID, "malformed_request", "This is not valid HTTP."),
    401: EdgeAnswer("Unauthorized", "authentication_error", "invalid_api_key", "No accepted key."),
    403: EdgeAnswer("Forbidden", _INVALID, "forbidden", "The gateway does not allow this request."),
    404: EdgeAnswer("Not Found", _INVALID, "path_not_found", "Nothing is served at this path."),
    405: EdgeAnswer(
        "Method Not Allowed", _INVALID, "method_not_allowed", "The path does not take this method."
    ),
    408: EdgeAnswer(
        "Request Timeout", _INVALID, "request_timeout", "The request did not arrive in time."
    ),
    413: EdgeAnswer("Content Too Large", _INVALID, "body_too_large", "The body is too long."),
    422: EdgeAnswer(
        "Unprocessable Content",
        _INVALID,
        "unsupported_transfer_encoding",
        "Only chunked is served.",
    ),
    429: EdgeAnswer(
        "Too Many Requests",
        "rate_limit_error",
        "gateway_overloaded",
        "The gateway is at its limit; try again in a moment.",
    ),
    500: EdgeAnswer("Internal Server Error", _SERVER, "internal_error", "The gateway failed."),
    501: EdgeAnswer(
        "Not Implemented", _INVALID, "not_implemented", "The gateway does not know this method."
    ),
    502: EdgeAnswer(
        "Bad Gateway",
        _SERVER,
        "gateway_lost",
        "The gateway's process ended before it answered; try again.",
    ),
    503: EdgeAnswer(
        "Service Unavailable",
        _SERVER,
        "gateway_unavailable",
        "No process of the gateway can answer now; try again in a moment.",
    ),
    504: EdgeAnswer(
        "Gateway Timeout", _SERVER, "deadline_exceeded", "The gateway did not answer in time."
    ),
}
"""By status: those of HAProxy, of its servers' HTTP parsers, and of Serve's replicas."""


def write_answers(folder: Path) -> dict[int, Path]:
    """Writes a file per answer; returns them by status."""
    folder.mkdir(exist_ok=True)
    files = {status: folder / f"{status}.http" for status in ANSWERS}
    for status, file in files.items():
        file.write_bytes(ANSWERS[status].http(status))
    return files
