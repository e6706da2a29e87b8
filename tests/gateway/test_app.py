"""What an app opened is closed at its end, while another one may serve on its loop."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from opentelemetry.sdk.trace import TracerProvider

from gateway.config import DecisionLogSection, ResponseStoreSection
from tests.fakes import FakeBackend
from tests.gateway.evidence.stacks import section
from tests.gateway.stacks import Gateway, make_gateway

SECONDS = 5.0


class SlowProvider(TracerProvider):
    """Waits at its end until it is told, as for a collector that does not answer."""

    def __init__(self) -> None:
        super().__init__(shutdown_on_exit=False)
        self.ends, self.told, self.waited = threading.Event(), threading.Event(), False

    def shutdown(self) -> None:
        self.ends.set()
        self.waited = self.told.wait(SECONDS)


class Broken(FakeBackend):
    """An engine that cannot be stopped."""

    async def start(self) -> None:
        """It could be started."""

    async def stop(self) -> None:
        raise RuntimeError("it goes on")


def files_of(folder: Path) -> set[str]:
    """The files of a folder that this process has open."""
    paths = [Path(file.path) for file in psutil.Process().open_files()]
    return {path.name for path in paths if path.is_relative_to(folder)}


def writing(folder: Path, **parts: Any) -> Gateway:
    """A gateway that keeps what it can keep in a folder."""
    return make_gateway(
        **parts,
        decision_log=DecisionLogSection(path=str(folder / "decisions.jsonl")),
        response_store=ResponseStoreSection(path=str(folder / "responses.db")),
        shadow=section(folder),
    )


async def test_the_loop_goes_on_while_an_app_ends(tmp_path: Path) -> None:
    """Another app may answer there meanwhile; its collector does not keep that waiting."""
    provider = SlowProvider()
    serving = writing(tmp_path, tracer_provider=provider).serving()
    await serving.__aenter__()

    ending = asyncio.create_task(serving.__aexit__(None, None, None))
    async with asyncio.timeout(SECONDS):
        while not provider.ends.is_set():  # noqa: ASYNC110 - set on another thread
            await asyncio.sleep(0.001)
    provider.told.set()
    await ending

    assert provider.waited
    assert files_of(tmp_path) == set()


async def test_each_part_is_closed_whatever_comes_of_the_others(tmp_path: Path) -> None:
    """The failure is told in the end."""
    gateway = writing(tmp_path, engines=[Broken("broken")])
    assert {"decisions.jsonl", "responses.db", "evidence.db"} <= files_of(tmp_path)

    with pytest.raises(RuntimeError, match="it goes on"):
        async with gateway.serving():
            pass

    assert files_of(tmp_path) == set()
