"""`deployments.log`: lines of JSON that say which request they are about."""

import asyncio
import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.log import JsonFormatter, about

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


_PROCESS = """
import logging
from deployments.log import log_as_json
log_as_json("deployments")
log_as_json("deployments")
logging.getLogger("deployments.server").info("once")
logging.getLogger("elsewhere").info("never")
"""


def test_a_process_writes_each_line_once():
    """The log goes to stderr, once, however often it was asked for; others' lines do not."""
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == ["once"]
