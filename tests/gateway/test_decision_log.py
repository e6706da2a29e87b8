"""The decision log: its lines, what they tell of prompts, and what happens when writing fails."""

import errno
import hashlib
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from deployments.protocol import Message, Unavailable
from gateway.config import ConfigError, DecisionLogSection
from gateway.decision_log import DecisionLog
from gateway.record import Record
from lab.routing.feedback import from_log, prompt_sha256
from router.types import Decision, Query, Reason
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, make_gateway

ROOT = Path(__file__).parents[2]
HASH = hashlib.sha256(b"please SELECT").hexdigest()
ROUTED = {
    "request_id": "abc",
    "time": 1_700_000_000.5,
    "requested_model": "auto",
    "domain": "sql",
    "first_candidate": "sql-model",
    "model": "sql-model",
    "reason": "routed",
    "confidence": 0.9,
    "ood_score": -1.0,
    "probabilities": {"sql": 0.9, "general": pytest.approx(0.1)},
    "status": 200,
    "prompt_sha256": HASH,
}
"""The line of `CHAT`."""


def section(path: Path, **options: Any) -> DecisionLogSection:
    return DecisionLogSection(path=str(path), **options)


def lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


async def logged(
    path: Path,
    body: dict[str, Any],
    url: str = "/v1/chat/completions",
    sql: FakeBackend | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The one line that a request leaves in a new log."""
    gateway = make_gateway(sql=sql, decision_log=section(path, **options))
    async with gateway.serving():
        await gateway.post(body, url, **{"x-client-request-id": "abc"})
    [line] = lines(path)
    assert line["request_id"] == gateway.ids["abc"]
    return line | {"request_id": "abc"}


async def test_a_routed_request_leaves_a_line(tmp_path):
    """The line has the decision, who answered, and a hash in the place of the prompt."""
    assert await logged(tmp_path / "log", CHAT) == ROUTED


async def test_a_stream_leaves_a_line_too(tmp_path):
    """It is the same as for a whole answer."""
    assert await logged(tmp_path / "log", CHAT | {"stream": True}) == ROUTED


async def test_the_hash_is_of_the_words_where_the_user_spoke_once(tmp_path):
    """It is that of what the user said, without the space around it or the system's words."""
    said = [("system", "be kind"), ("user", " please SELECT\n")]
    messages = [{"role": role, "content": content} for role, content in said]

    line = await logged(tmp_path / "log", CHAT | {"messages": messages})

    assert line["prompt_sha256"] == HASH


async def test_the_hash_of_a_conversation_is_of_all_of_it(tmp_path):
    """The same last words in a conversation have another hash than alone."""
    said = [("user", "hello"), ("assistant", "hi"), ("user", "please SELECT")]
    messages = [{"role": role, "content": content} for role, content in said]

    line = await logged(tmp_path / "log", CHAT | {"messages": messages})

    whole = Query(tuple(Message(role, content) for role, content in said))
    assert line["prompt_sha256"] == prompt_sha256(whole) != HASH


async def test_text_keeps_the_conversation(tmp_path):
    """With `prompts: text` a chat is there with all its turns, in its own letters."""
    messages = [
        {"role": "system", "content": "Sei höflich."},
        {"role": "user", "content": "please SELECT"},
    ]

    line = await logged(tmp_path / "log", CHAT | {"messages": messages}, prompts="text")

    assert line == ROUTED | {"messages": messages}
    assert "höflich" in (tmp_path / "log").read_text(encoding="utf-8")


async def test_text_keeps_the_prompt_of_a_completion(tmp_path):
    """With `prompts: text` a completion's prompt is there as it was sent."""
    body = {"model": "auto", "prompt": " please SELECT "}

    line = await logged(tmp_path / "log", body, "/v1/completions", prompts="text")

    assert line == ROUTED | {"text": " please SELECT "}


async def test_training_reads_what_was_written(tmp_path):
    """A line and the word of a judge make a labelled prompt."""
    await logged(tmp_path / "log", CHAT, prompts="text")
    said = {"request_id": lines(tmp_path / "log")[0]["request_id"], "domain": "tools"}
    (tmp_path / "feedback").write_text(json.dumps(said), encoding="utf-8")

    [row] = from_log(tmp_path / "log", tmp_path / "feedback").rows

    assert (row.text, row.domain) == ("please SELECT", "tools")


async def test_none_keeps_nothing_of_the_prompt(tmp_path):
    """With `prompts: none` not even the hash is there."""
    line = await logged(tmp_path / "log", CHAT, prompts="none")

    assert line == {key: value for key, value in ROUTED.items() if key != "prompt_sha256"}


async def test_a_model_by_name_is_logged_as_such(tmp_path):
    """What was asked tells routed requests from others, which have no scores."""
    line = await logged(tmp_path / "log", CHAT | {"model": "big"})

    assert (line["requested_model"], line["reason"], line["model"]) == ("big", "requested", "big")
    assert not {"ood_score", "probabilities"} & set(line)


async def test_who_was_to_answer_and_who_did(tmp_path):
    """When the first choice fails the line has both models, and the reason of the change."""
    down = FakeBackend("sql-model", refusal=Unavailable("sql-model", "gone"))

    line = await logged(tmp_path / "log", CHAT, sql=down)

    assert (line["first_candidate"], line["model"]) == ("sql-model", "big")
    assert (line["domain"], line["reason"]) == ("sql", "unhealthy")


async def test_a_failure_has_its_status(tmp_path):
    """A request that nobody could answer has the status that the client saw."""
    broken = FakeBackend("sql-model", refusal=RuntimeError("broken"))

    assert (await logged(tmp_path / "log", CHAT, sql=broken))["status"] == 500


async def test_without_a_decision_there_is_no_line(tmp_path):
    """A request that was refused before it was routed is none of the router's."""
    gateway = make_gateway(decision_log=section(tmp_path / "log"))

    async with gateway.serving():
        await gateway.post(CHAT | {"model": "nobody"})

    assert (tmp_path / "log").read_bytes() == b""


async def test_lines_are_added_to_what_is_there(tmp_path):
    """A restart does not lose what was logged before."""
    await logged(tmp_path / "log", CHAT)

    gateway = make_gateway(decision_log=section(tmp_path / "log"))
    async with gateway.serving():
        await gateway.post(CHAT)

    assert len(lines(tmp_path / "log")) == 2


def test_only_the_owner_may_read_it(tmp_path):
    """A new file may hold prompts, so it is for its owner alone."""
    log_of(tmp_path / "log").close()

    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


def test_a_path_that_cannot_be_written_is_said_at_the_start(tmp_path):
    """The error names the key, the path, the cause and the remedy."""
    path = tmp_path / "nowhere" / "log"

    with pytest.raises(ConfigError) as refused:
        make_gateway(decision_log=section(path))

    key, _, message = str(refused.value).partition(": ")
    assert key == "observability.decision_log.path"
    for named in (repr(str(path)), os.strerror(errno.ENOENT), "directory that exists"):
        assert named in message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
async def test_a_full_disk_loses_lines_aloud(caplog):
    """What cannot be written is counted and reported, and the request is answered all the same."""
    gateway = make_gateway(decision_log=section(Path("/dev/full")))

    async with gateway.serving():
        answer = await gateway.post(CHAT)

    assert answer.status_code == 200
    assert gateway.sample("niche_decision_log_drops_total") == 1
    [dropped] = [record for record in caplog.records if record.name == "gateway.decision_log"]
    assert dropped.fields["request_id"] == answer.headers["x-request-id"]
    assert os.strerror(errno.ENOSPC) in dropped.fields["detail"]


def log_of(path: Path, drops: list[None] | None = None, **options: Any) -> DecisionLog:
    on_drop = (lambda: None) if drops is None else (lambda: drops.append(None))
    return DecisionLog(section(path, **options), lambda: 0.0, on_drop)


def record(text: str) -> Record:
    decision = Decision("sql", ("sql-model",), Reason.ROUTED, 0.9)
    found = Record("abc", 0.0, requested_model="auto", query=Query(text=text))
    found.decided(decision, 0.0, 0.0)
    return found


def test_a_slow_disk_holds_nobody_up(tmp_path, caplog):
    """When the queue is full further lines are dropped at once, counted and reported."""
    caplog.set_level(logging.WARNING)
    path, drops = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log = log_of(path, drops, prompts="text")

    for _ in range(1500):  # nobody reads: the first line already fills the pipe
        log.note(record("x" * 100_000))
    dropped = len(drops)

    assert 0 < dropped < 1500
    reported = [line.fields["request_id"] for line in caplog.records]
    assert reported == ["abc"] * dropped
    os.set_blocking(reader, True)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        closing = threading.Thread(target=log.close)
        closing.start()
        written = [json.loads(line) for line in pipe]
        closing.join()
    assert len(written) == 1500 - dropped


def test_a_line_after_the_end_is_dropped_aloud(tmp_path):
    """A request that outlives the log does not fail for it."""
    drops: list[None] = []
    log = log_of(tmp_path / "log", drops)
    log.close()

    log.note(record("late"))

    assert len(drops) == 1


def test_several_logs_share_a_file(tmp_path):
    """Lines that are written at the same time do not mix, long ones neither."""
    logs = [log_of(tmp_path / "log", prompts="text") for _ in range(4)]
    for number in range(50):
        for index, log in enumerate(logs):
            log.note(record(f"{index}-{number} " + str(index) * 20_000))
    for log in logs:
        log.close()

    found = [line["text"].split(" ") for line in lines(tmp_path / "log")]

    assert sorted(name for name, _ in found) == sorted(
        f"{index}-{number}" for index in range(4) for number in range(50)
    )
    assert all(set(rest) == {name[0]} for name, rest in found)


def test_a_process_that_is_ended_cuts_its_last_line_alone(tmp_path):
    """Lines before the one that SIGTERM met are whole."""
    path = tmp_path / "log"
    code = (
        "import sys, pathlib\n"
        "from tests.gateway.test_decision_log import log_of, record\n"
        "log = log_of(pathlib.Path(sys.argv[1]), prompts='text')\n"
        "print('ready', flush=True)\n"
        "while True: log.note(record('x' * 50_000))\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        while path.stat().st_size < 1_000_000:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)

    assert process.returncode == -signal.SIGTERM
    *whole, rest = path.read_text(encoding="utf-8").split("\n")
    assert whole[0].startswith(rest)  # all lines are alike: nothing, or the beginning of one
    assert {len(json.loads(line)["text"]) for line in whole} == {50_000}


def test_a_line_after_a_cut_one_stands_alone(tmp_path):
    """A disk that takes half a line and later has room again costs that one line."""
    path = tmp_path / "log"
    code = (
        "import pathlib, resource, sys, time\n"
        "from tests.gateway.test_decision_log import log_of, record\n"
        "drops = []\n"
        "log = log_of(pathlib.Path(sys.argv[1]), drops, prompts='text')\n"
        "everything = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, everything[1]))\n"
        "log.note(record('a' * 800))\n"
        "log.note(record('b' * 800))\n"
        "while not drops: time.sleep(0.01)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, everything)\n"
        "log.note(record('c' * 800))\n"
        "log.close()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=True, timeout=30)

    first, cut, last = path.read_text(encoding="utf-8").splitlines()

    assert [json.loads(line)["text"][0] for line in (first, last)] == ["a", "c"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut)
