"""The gateway's log: lines of JSON on stderr, one per request and one per failure."""

import json
import logging
import sys
import time

__all__ = ["ACCESS_LOGGER", "JsonFormatter", "log_requests"]

ACCESS_LOGGER = "gateway.access"
_ROOT = "gateway"


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON; what was passed as `extra={"fields": ...}` stands beside
    the message."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_requests() -> None:
    """Sends this process's log, the access log included, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger(_ROOT)
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
