"""`niche serve` as its user meets it: what cannot start is missing and joins later, and a change
costs no request."""

import asyncio
import json
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from cli.orphans import PREFIX
from loadtests.traffic.stack import free_port
from router.artifact import artifact_path
from tests.e2e.conftest import eventually
from tests.e2e.served import Served, serving
from tests.gateway.stacks import on_loopback

pytestmark = [pytest.mark.serve, pytest.mark.chaos]  # each needs a stack of its own

FAKE = {"model": "m", "engine": "fake"}
SQL = "Write a SQL query.\n\nTable people: name, age\nWho is older than 30?"
RELOADS = 20
_START_SECONDS = 240


def write(
    file: Path, generalist: dict[str, Any], *specialists: dict[str, Any], **more: Any
) -> Path:
    config = {"generalist": {"name": "big"} | generalist, "specialists": list(specialists), **more}
    part = file.with_suffix(".part")
    part.write_text(yaml.safe_dump(config), encoding="utf-8")
    return part.replace(file)


def upstream(port: int, **options: str) -> dict[str, Any]:
    url = {"base_url": f"http://127.0.0.1:{port}/v1"}
    return {"model": "m", "engine": "openai", "engine_options": url | options}


def test_what_cannot_start_is_missing_and_the_rest_serves(tmp_path: Path) -> None:
    """Weights that are not there, a key that is not set, an upstream that is away; here that is the
    generalist. It joins when it is back."""
    port = free_port()
    file = write(
        tmp_path / "niche.yaml",
        upstream(port),
        {"name": "sql", "domain": "sql"} | FAKE,
        {"name": "bare", "domain": "math", "model": "./nowhere.gguf"},
        {"name": "locked", "domain": "math"} | upstream(port, api_key_env="NICHE_NOT_SET"),
    )
    with serving(file) as served:
        assert eventually(lambda: served.said("serving 1 of 4 models") == 1, _START_SECONDS)
        ready = httpx.get(f"{served.url}/readyz", timeout=30)
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["models"].keys() == {"big", "bare", "locked"}
        assert httpx.get(f"{served.url}/readyz?all", timeout=30).status_code == 503
        listed = {
            model["id"]: model["niche"]
            for model in httpx.get(f"{served.url}/v1/models", timeout=30).json()["data"]
        }
        assert [name for name, of in listed.items() if of["available"]] == ["auto", "sql"]
        assert "nowhere.gguf" in listed["bare"]["unavailable_reason"]
        assert "NICHE_NOT_SET" in listed["locked"]["unavailable_reason"]
        assert served.ask(SQL).headers["x-niche-model"] == "sql"
        refused = served.ask("Why is the sky blue?")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_unavailable")

        away = Starlette(routes=[Route("/v1/models", lambda _: JSONResponse({"data": []}))])
        with on_loopback(away, port):
            assert eventually(lambda: served.said("big is up") == 1, 60)
            assert httpx.get(f"{served.url}/v1/models/big", timeout=30).json()["niche"]["available"]


@pytest.mark.parametrize("moment", ["niche: starting", "the gateway is up", "ready after"])
def test_sigterm_ends_it_at_any_moment(tmp_path: Path, moment: str) -> None:
    """With its exit code and a line, and no process is left."""
    file = write(tmp_path / "niche.yaml", FAKE)
    with serving(file) as served:
        assert eventually(lambda: served.said(moment) > 0, _START_SECONDS)
        started = psutil.Process(served.process.pid).children(recursive=True)

        served.process.send_signal(signal.SIGTERM)

        assert served.process.wait(timeout=120) == 128 + signal.SIGTERM
        assert served.log.read_text().splitlines()[-1].startswith("niche: stopped by SIGTERM")
        assert eventually(lambda: not any(of.is_running() for of in started), 30)


def test_twenty_reloads_under_load_fail_no_request(tmp_path: Path) -> None:
    """Prices, limits, thresholds, keys and the router's artifact take effect while requests are
    answered, and no replica is replaced."""
    shutil.copytree(artifact_path("default"), tmp_path / "router")
    (tmp_path / "keys").write_text("key-0\n")
    file = state(tmp_path, 0)
    with serving(file) as served:
        assert eventually(lambda: served.said("ready after") == 1, _START_SECONDS)
        before = replicas(served)

        answers = asyncio.run(reloaded_under_load(served, tmp_path))

        assert set(answers) == {200}
        assert answers.total() > 10 * RELOADS
        assert served.said("serving it after") == RELOADS
        assert replicas(served) == before


def state(folder: Path, number: int) -> Path:
    """The configuration of a reload, and the files that it names."""
    price = {"completion_per_million_tokens": 1_000_000 * (number + 1)}
    limits = {"max_ongoing_requests": 32 + number}
    if number % 5 == 1:
        with (folder / "keys").open("a") as keys:
            keys.write(f"key-{number}\n")
    if number % 5 == 2:
        artifact = folder / "router" / "artifact.json"
        artifact.write_text(json.dumps(json.loads(artifact.read_bytes()), indent=number))
    return write(
        folder / "niche.yaml",
        FAKE | {"price": price, "limits": limits},
        {"name": "sql", "domain": "sql", "price": price, "limits": limits} | FAKE,
        router={"artifact": "router", "min_confidence": 0.5 + number / 100},
        gateway={"api_keys_file": "keys", "body_timeout_seconds": 30 + number},
    )


def replicas(served: Served) -> set[int]:
    """The processes of the replicas."""
    children = psutil.Process(served.process.pid).children(recursive=True)
    return {of.pid for of in children if any("ServeReplica" in part for part in of.cmdline())}


async def reloaded_under_load(served: Served, folder: Path) -> Counter[Any]:
    """What eight clients got while the configuration changed again and again."""
    stop, answers = asyncio.Event(), Counter[Any]()
    tasks = [asyncio.create_task(asking(served.url, stop, answers, of)) for of in range(8)]
    try:
        for number in range(1, RELOADS + 1):
            await asyncio.to_thread(state, folder, number)
            done = await asyncio.to_thread(
                eventually, lambda number=number: served.said("serving it after") == number, 120
            )
            assert done, served.log.read_text()[-2000:]
            await asyncio.to_thread(require_price, served, number)
    finally:
        stop.set()
        await asyncio.gather(*tasks)
    return answers


def require_price(served: Served, number: int) -> None:
    """Every gateway replica has the new price: a currency unit more per token."""
    headers = {"authorization": "Bearer key-0"}
    body = {"model": "big", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
    for _ in range(6):
        url = f"{served.url}/v1/chat/completions"
        answer = httpx.post(url, json=body, headers=headers, timeout=60)
        assert answer.json()["niche"]["cost"] == pytest.approx(number + 1)


async def asking(url: str, stop: asyncio.Event, answers: Counter[Any], client: int) -> None:
    """Asks in turn for a stream and for a whole answer; counts what came."""
    async with httpx.AsyncClient(timeout=60, headers={"authorization": "Bearer key-0"}) as session:
        number = client
        while not stop.is_set():
            number += 1
            streams = number % 2 == 0
            asked = {"model": ("auto", "big", "sql")[number % 3], "stream": streams}
            asked["messages"] = [{"role": "user", "content": SQL}]
            try:
                answer = await session.post(f"{url}/v1/chat/completions", json=asked)
                whole = not streams or "[DONE]" in answer.text
                answers[answer.status_code if whole else "cut"] += 1
            except httpx.HTTPError as error:
                answers[repr(error)] += 1


@pytest.mark.skipif(sys.platform != "linux", reason="HAProxy's wheel is for Linux")
def test_beyond_loopback_there_is_the_door_alone(tmp_path: Path) -> None:
    """What is behind it answers HTTP on loopback, Serve's own paths are closed, and after the end
    none of its files are left."""
    file = write(tmp_path / "niche.yaml", FAKE, gateway={"host": "0.0.0.0"})
    with serving(file) as served:
        assert eventually(lambda: served.said("ready after"), _START_SECONDS)
        pid, port = served.process.pid, int(served.url.rpartition(":")[2])
        owners = Path(tempfile.gettempdir()).glob(f"{PREFIX}*/owner")
        [folder] = [owner.parent for owner in owners if owner.read_text().split()[0] == str(pid)]

        assert open_to_others(pid) == {port}
        refused = httpx.get(f"{served.url}/-/routes")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "path_not_found")
    assert not folder.exists()


def open_to_others(pid: int) -> set[int]:
    """The ports of HAProxy, and of what Serve has behind it, that other machines reach."""
    served_ports = range(20_000, 31_001)  # Serve's other proxy and its replicas
    return {
        link.laddr.port
        for process in psutil.Process(pid).children(recursive=True)
        for link in process.net_connections("tcp")
        if link.status == psutil.CONN_LISTEN and link.laddr.ip != "127.0.0.1"
        if link.laddr.port in served_ports or process.name() == "haproxy"
    }
