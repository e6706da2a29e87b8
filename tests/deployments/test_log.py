"""`deployments.log`: lines of JSON that say which request they are about."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.log import JsonFormatter, LineWriter, about

ROOT = Path(__file__).parents[2]
LOG = logging.getLogger("deployments.tried")


@pytest.fixture
def lines(caplog):
    """What was written since, parsed."""
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(JsonFormatter())
    return lambda: [json.loads(line) for line in caplog.text.splitlines()]


def test_a_line_says_when_what_and_who(lines):
    """Time to the millisecond in UTC, level, logger, message and the fields that were passed."""
    LOG.warning("%d left", 3, extra={"fields": {"model": "sql"}})

    [line] = lines()
    age = datetime.now(UTC) - datetime.fromisoformat(line.pop("time"))
    assert 0 <= age.total_seconds() < 10
    assert line == {
        "level": "warning",
        "logger": "deployments.tried",
        "message": "3 left",
        "model": "sql",
    }


async def test_lines_say_which_request_they_are_about(lines):
    """Inside of the block every line names the request, also from tasks that it starts; a line's
    own fields go first."""

    async def work() -> None:
        LOG.info("working")

    with about(request_id="r1"):
        await asyncio.create_task(work())
        LOG.info("other", extra={"fields": {"request_id": "r2"}})
    LOG.info("after")

    assert [(line["message"], line.get("request_id")) for line in lines()] == [
        ("working", "r1"),
        ("other", "r2"),
        ("after", None),
    ]


async def test_requests_at_once_keep_their_lines_apart(lines):
    """Each task has its own request."""

    async def serve(name: str) -> None:
        with about(request_id=name):
            await asyncio.sleep(0)
            LOG.info(name)

    await asyncio.gather(serve("r1"), serve("r2"))

    assert all(line["message"] == line["request_id"] for line in lines())
    assert len(lines()) == 2


def test_what_json_cannot_say_is_written_as_text(lines):
    """Half a surrogate pair, a number beyond 64 bits and an object of any class fit into a line."""
    LOG.info("odd", extra={"fields": {"half": "\ud800", "big": 1 << 70, "path": Path("a")}})

    [line] = lines()
    assert (line["half"], line["big"], line["path"]) == ("\ud800", 1 << 70, "a")


def test_a_full_queue_drops_lines_and_counts_them():
    """Nobody waits while nobody reads; afterwards a line says how many lines are missing."""
    reading, writing = os.pipe()
    _fill(writing)
    writer = LineWriter(writing, most_lines=2)
    for number in range(10):
        writer.write(b'{"number": %d}' % number)

    written, dropped = [], 0
    with os.fdopen(reading) as pipe:
        while len(written) + dropped < 10:
            line = json.loads(pipe.readline().strip() or "null")
            if line and "number" in line:
                written.append(line["number"])
            elif line:
                dropped += line["lines"]
                assert (line["level"], line["logger"]) == ("warning", "deployments.log")

    assert 6 <= dropped <= 8, "the queue, and at most as many again in the hand of its thread"
    assert written == list(range(10 - dropped))
    writer.close()


def _fill(pipe):
    """Writes line breaks until a further one would wait for the reader."""
    os.set_blocking(pipe, False)
    while True:
        try:
            os.write(pipe, b"\n" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(pipe, True)


_PROCESS = """
import io, logging, os, sys
from deployments.log import log_as_json
sys.stderr = io.StringIO()
log_as_json("deployments", "gateway")
log_as_json("deployments")
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
logging.getLogger("gateway").info("first")
logging.getLogger("deployments.server").info("once")
logging.getLogger("elsewhere").info("never")
"""


def test_a_process_writes_each_line_once():
    """The log goes to standard error as the process got it, once, however often it was asked for,
    and all of it before the process ends; others' lines do not."""
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS], cwd=ROOT, capture_output=True, text=True, check=True
    )

    messages = {json.loads(line)["message"] for line in done.stderr.splitlines()}
    assert (messages, done.stderr.count("\n")) == ({"first", "once"}, 2)
