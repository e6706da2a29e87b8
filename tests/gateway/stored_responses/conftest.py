"""Both stores, and a Redis of the tests' own; where none is installed its tests say so and skip."""

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.config import ResponseStoreSection
from loadtests.traffic.stack import free_port

VARIABLE = "NICHE_TEST_REDIS_URL"
PASSWORD = "s3cret-of-the-tests"
_PROGRAMS = ("redis-server", "valkey-server")
_SECONDS = 30.0


@dataclass
class RedisServer:
    """A Redis that keeps nothing."""

    program: str
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        import redis

        settings = {"port": self.port, "bind": "127.0.0.1", "requirepass": PASSWORD, "save": ""}
        options = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
        self.process = subprocess.Popen(
            [self.program, *options], cwd=self.folder, stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + _SECONDS
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    assert self.process.poll() is None, f"{self.program} ended"
                    assert time.monotonic() < until, f"{self.program} does not answer"
                    time.sleep(0.01)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def redis_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """A running server; its URL is in the variable `VARIABLE`."""
    pytest.importorskip("redis", reason="the extra `redis` is not installed")
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no Redis: none of {', '.join(_PROGRAMS)} is installed")
    server = RedisServer(program, tmp_path)
    server.start()
    monkeypatch.setenv(VARIABLE, server.url)
    yield server
    server.stop()


@dataclass(frozen=True)
class Place:
    """Where answers are kept: the settings that say so, and what makes it unusable."""

    settings: dict[str, str]
    breaks: Callable[[], None]

    def section(self, **bounds: float) -> ResponseStoreSection:
        return ResponseStoreSection(**self.settings, **bounds)


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each of them in turn."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        return Place({"redis_url_env": VARIABLE}, server.stop)
    path = str(tmp_path / "responses.db")

    def drop() -> None:
        with sqlite3.connect(path) as other:
            other.execute("DROP TABLE response")

    return Place({"path": path}, drop)
