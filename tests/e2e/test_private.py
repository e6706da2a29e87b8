"""Whom a running `niche serve` shows what: its files, ports and processes to its user alone, and
secrets to nobody. `docs/security.md` lists the ports; one that it lacks fails here."""

import os
import re
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.edge.door import processes_of
from loadtests.traffic.stack import free_port
from tests.e2e.conftest import ROOT, eventually
from tests.e2e.served import Served, serving
from tests.gateway.stacks import on_loopback

pytestmark = [
    pytest.mark.serve,
    pytest.mark.chaos,  # it needs a stack of its own
    pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc"),
]

_START_SECONDS = 240
KEY, STRANGER, SECRET = "canary-key-0451", "canary-stranger-0452", "canary-upstream-0453"
PROMPT = "canary-prompt-0454"
PASSWORD = "canary-password-0455"
CANARIES = (KEY, STRANGER, SECRET, PROMPT, PASSWORD)


@dataclass(frozen=True)
class Private:
    """A running stack, the directory of its user's files, and that of its own."""

    served: Served
    files: Path
    state: Path

    def processes(self) -> list[psutil.Process]:
        """Those of the stack, HAProxy and its guard included, which are nobody's children."""
        own = psutil.Process(self.served.process.pid)
        guards = [of for of in psutil.process_iter() if str(self.state) in " ".join(_words(of))]
        doors = [psutil.Process(pid) for pid in processes_of(self.state)]
        return [*{*own.children(recursive=True), *guards, *doors, own}]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def _fails(request: Request) -> JSONResponse:
    """An upstream that tells everything it was sent in its error."""
    request.app.state.asked = True
    told = f"{dict(request.headers)} {await request.body()!r}"
    return JSONResponse({"error": {"message": told}}, 500)


UPSTREAM = Starlette(
    routes=[
        Route("/v1/models", lambda _: JSONResponse({"data": []})),
        Route("/v1/chat/completions", _fails, methods=["POST"]),
    ]
)


@pytest.fixture(scope="module")
def stack() -> Iterator[Private]:
    """Open to other machines, with keys, a decision log, evidence and an upstream with a key."""
    # Where others may look into: pytest's own directories are private.
    with tempfile.TemporaryDirectory(prefix="niche-e2e-") as folder:
        files, port = Path(folder), free_port()
        files.chmod(0o755)
        (keys := files / "keys").touch(0o600)
        keys.write_text(f"{KEY}\n", encoding="utf-8")
        file = files / "niche.yaml"
        file.write_text(yaml.safe_dump(_config(files, keys, port)), encoding="utf-8")
        environment = os.environ | {"UPSTREAM_KEY": SECRET}
        with on_loopback(UPSTREAM, port), serving(file, environment) as served:
            assert eventually(lambda: served.said("ready after") == 1, _START_SECONDS)
            [state] = (
                owner.parent
                for owner in Path(tempfile.gettempdir()).glob("niche-*/owner")
                if owner.read_text().split()[0] == str(served.process.pid)
            )
            yield Private(served, files, state)
        assert not state.exists()


def _config(files: Path, keys: Path, port: int) -> dict[str, Any]:
    fake = {"model": "m", "engine": "fake", "engine_options": {"reply": "An answer."}}
    url = {"base_url": f"http://127.0.0.1:{port}/v1", "api_key_env": "UPSTREAM_KEY"}
    return {
        "generalist": {"name": "big", **fake},
        "specialists": [
            {"name": "sql", "domain": "sql", **fake},
            {"name": "up", "domain": "math", "model": "m", "engine": "openai"}
            | {"engine_options": url},
            {"name": "basic", "domain": "math", "model": "m", "engine": "openai"}
            | {"engine_options": {"base_url": f"http://user:{PASSWORD}@127.0.0.1:{port}/v1"}},
        ],
        "observability": {"decision_log": {"path": str(files / "decisions.jsonl")}},
        "gateway": {
            "host": "0.0.0.0",
            "api_keys_file": str(keys),
            "response_store": {"path": str(files / "responses.db")},
            "shadow": {"path": str(files / "evidence.db"), "sample_ratio": 1},
        },
    }


def _post(stack: Private, body: Any, key: str = KEY) -> httpx.Response:
    url = f"{stack.served.url}/v1/chat/completions"
    headers = {"authorization": f"Bearer {key}"}
    if isinstance(body, bytes):
        headers["content-type"] = "application/json"
        return httpx.post(url, content=body, headers=headers, timeout=60)
    return httpx.post(url, json=body, headers=headers, timeout=60)


def _chat(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": PROMPT}], **more}


@pytest.fixture(scope="module")
def answers(stack: Private) -> list[httpx.Response]:
    """What the stack said to good and bad requests."""
    return [
        _post(stack, _chat("auto")),
        _post(stack, _chat("sql", stream=True)),
        _post(stack, _chat("sql"), key=STRANGER),
        _post(stack, _chat("up")),
        _post(stack, _chat("up", stream=True)),
        _post(stack, _chat("basic")),
        _post(stack, _chat("sql", temperature="hot")),
        _post(stack, f'{{"model": "sql", "messages": "{PROMPT}'.encode()),
        httpx.get(f"{stack.served.url}/v1/models?key={KEY}", timeout=60),
    ]


@pytest.mark.usefixtures("answers")
def test_no_file_is_others_to_read(stack: Private) -> None:
    """Neither what lies in the stack's directory, nor in others, nor what its processes hold."""
    inside = [path for path in stack.state.rglob("*") if not path.is_symlink()]
    outside = [
        path for path in stack.files.iterdir() if path.name not in ("niche.yaml", "serve.log")
    ]
    held = {path for process in stack.processes() for path in _written(process)}

    names = {path.name for path in (*inside, *outside)}
    assert {"token", "haproxy.cfg", "raylet", "decisions.jsonl", "evidence.db-wal"} <= names
    assert [path for path in (*inside, *outside, *held) if _is_others(path)] == []


def _written(process: psutil.Process) -> Iterator[Path]:
    """The files that a process has open to write, but for its terminal's."""
    for opened in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            target, flags = opened.readlink(), opened.parent.with_name("fdinfo") / opened.name
            wanted = int(flags.read_text().split()[3], 8)
        except OSError:  # just closed
            continue
        if wanted & os.O_ACCMODE and target.is_file() and target.name != "serve.log":
            yield target


def _is_others(path: Path) -> bool:
    """Whether another user, of the group or not, may open a file."""
    try:
        modes = [each.stat().st_mode for each in (path, *path.parents)]
    except FileNotFoundError:
        return False
    return any(
        modes[0] & (read | write) and all(mode & enter for mode in modes[1:])
        for read, write, enter in (
            (stat.S_IROTH, stat.S_IWOTH, stat.S_IXOTH),
            (stat.S_IRGRP, stat.S_IWGRP, stat.S_IXGRP),
        )
    )


def test_only_the_gateway_s_port_is_open_to_other_machines(stack: Private) -> None:
    """Also where the gateway is: no replica can be asked around it."""
    open_to_others = {
        link.laddr.port
        for process in stack.processes()
        for link in process.net_connections("tcp")
        if link.status == psutil.CONN_LISTEN and not _is_loopback(link.laddr.ip)
    }
    assert open_to_others == {httpx.URL(stack.served.url).port}


def _is_loopback(address: str) -> bool:
    found = ip_address(address)
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def test_every_port_is_in_the_documents(stack: Private) -> None:
    """As many of each process as the table has."""
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    listed = Counter(re.findall(r"^\| `([^`]+)` \| (?:TCP|UDP)\b", page, re.MULTILINE))
    assert listed["niche serve"] == 1
    for process in stack.processes():
        found = [link for link in process.net_connections("inet") if not link.raddr]
        title = " ".join(_words(process)).replace("cli.main serve", "niche serve")
        name = next((name for name in listed if name in title), title)
        assert len(found) <= listed[name], (name, found)


def test_no_secret_leaves_the_process(stack: Private, answers: list[httpx.Response]) -> None:
    """Nor a prompt: not in files, arguments, metrics or errors, whatever a client or an upstream
    does with it."""
    assert [answer.status_code for answer in answers[:3]] == [200, 200, 401]
    assert UPSTREAM.state.asked
    texts = {f"answer {number}": answer.content for number, answer in enumerate(answers)}
    texts["metrics"] = httpx.get(f"{stack.served.url}/metrics", timeout=60).content
    for process in stack.processes():
        texts[f"arguments of {process.pid}"] = " ".join(_words(process)).encode()
    for path in (*stack.state.rglob("*"), *stack.files.iterdir()):
        if path.is_file() and path.name not in ("keys", "niche.yaml"):
            texts[str(path)] = path.read_bytes()

    assert texts["metrics"].count(b"niche_requests_total") > 0
    found = {
        name: word for name, text in texts.items() for word in CANARIES if word.encode() in text
    }
    assert found == {}
