"""The decision log: a file with a line of JSON for every decision, written after its answer.

It is off unless `observability.decision_log` is set; `niche train --from-log` reads it. Every
request that reached a decision has one line, in UTF-8, with these keys; keys without a value are
absent.

    request_id      as in the response header `x-request-id`
    time            Unix seconds when the answer ended
    requested_model the `model` of the request: `auto`, or a model by name
    domain          the likeliest domain; for a model by name that model's own
    first_candidate the model that was asked first
    model           the model that answered; if none did, `first_candidate`
    reason          as in the response header `x-niche-reason`
    confidence      calibrated probability of `domain`; 1 for a model by name
    ood_score       how unlike the training prompts the text was
    probabilities   calibrated probability of each domain
    status          HTTP status; 499 when the client disconnected
    prompt_sha256   SHA-256 of the prompt, in hexadecimal; see `router.classifier`
    messages        a chat as it was sent, [{"role", "content"}, ...]
    text            a completion's prompt as it was sent; the first of several

`prompts: hashed` leaves out `messages` and `text`, and `none` leaves out `prompt_sha256` too. A
hash hides a prompt from readers of the log, but not from anyone who can guess it.

Rule: the event loop never waits for the disk. Lines go through a bounded queue to a thread; when it
is full, or the disk refuses, the line is dropped, counted and reported. Each line is one `write` to
the end of the file: any number of processes of one machine may share it, and rotation works by
copying and truncating. Two things can cut a line: a full disk, and a process that is killed during
the write, since the kernel then stops copying between two pages. A reader skips lines that are not
JSON.
"""

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore

import msgspec
from typing_extensions import override

from gateway.config import ConfigError, DecisionLogSection
from gateway.observer import RequestObserver
from gateway.record import Record
from router.classifier import prompt_sha256
from router.types import Decision, Query

_QUEUE_LINES = 1024
_log = logging.getLogger("gateway.decision_log")


class Line(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One line; the module's docstring defines the keys."""

    request_id: str
    time: float
    requested_model: str
    domain: str
    first_candidate: str
    model: str
    reason: str
    confidence: float
    ood_score: float | None = None
    probabilities: dict[str, float] | None = None
    status: int
    prompt_sha256: str | None = None
    messages: list[dict[str, str]] | None = None
    text: str | None = None


def open_log(path: Path) -> int:
    """Opens the file for appending; a new file is readable by its owner only.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(
            f"observability.decision_log.path: cannot write to {str(path)!r} ({error.strerror}); "
            "name a file in a directory that exists and may be written"
        ) from error


class DecisionLog:
    """The log as one gateway process writes it; its thread starts with the first line.

    Args:
        settings: the path, and how much of the prompts to log.
        wall_clock: Unix time in seconds.
        on_drop: called for each line that is dropped, on any thread.

    Raises:
        ConfigError: the file cannot be written.
    """

    def __init__(
        self,
        settings: DecisionLogSection,
        wall_clock: Callable[[], float],
        on_drop: Callable[[], None],
    ) -> None:
        self._prompts, self._wall_clock, self._on_drop = settings.prompts, wall_clock, on_drop
        self._file = open_log(Path(settings.path))
        self._room = Semaphore(_QUEUE_LINES)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decision-log")
        self._before = b""

    def note(self, record: Record) -> None:
        """Queues the line of a finished request, if it has a decision."""
        if record.decision is None:
            return
        if not self._room.acquire(blocking=False):
            self._drop(record, "the disk is too slow")
            return
        try:
            self._writer.submit(self._write, record, record.decision, self._wall_clock())
        except RuntimeError:
            self._drop(record, "the log is closed")

    def close(self) -> None:
        """Returns when all lines are written."""
        self._writer.shutdown()
        os.close(self._file)

    def _write(self, record: Record, decision: Decision, now: float) -> None:
        try:
            line = msgspec.json.encode(self._line(record, decision, now))
            data = self._before + line + b"\n"
            self._before = b""
            if os.write(self._file, data) < len(data):
                self._before = b"\n"
                self._drop(record, "the disk is full")
        except Exception as error:  # noqa: BLE001 - on this thread, nothing else reports it
            self._drop(record, repr(error))
        finally:
            self._room.release()

    def _drop(self, record: Record, reason: str) -> None:
        self._on_drop()
        fields = {"request_id": record.request_id, "detail": reason}
        _log.warning("a line of the decision log was dropped", extra={"fields": fields})

    def _line(self, record: Record, decision: Decision, now: float) -> Line:
        scores, query = decision.scores, record.query
        in_full = self._prompts == "text"
        return Line(
            request_id=record.request_id,
            time=now,
            requested_model=record.requested_model,
            domain=decision.domain,
            first_candidate=decision.candidates[0],
            model=record.model,
            reason=record.reason,
            confidence=decision.confidence,
            ood_score=scores.ood_score if scores else None,
            probabilities=dict(scores.probabilities) if scores else None,
            status=record.status,
            prompt_sha256=None if self._prompts == "none" else prompt_sha256(query),
            messages=_messages(query) if in_full else None,
            text=query.text if in_full else None,
        )


class LoggedDecision(RequestObserver):
    """Writes one request to the decision log."""

    def __init__(self, log: DecisionLog, record: Record) -> None:
        self._to, self._record = log, record

    @override
    def ended(self, time: float) -> None:
        self._to.note(self._record)


def _messages(query: Query) -> list[dict[str, str]] | None:
    turns = [{"role": turn.role, "content": turn.content} for turn in query.messages]
    return turns or None
