"""Engines that run for the tests of a module, and processes that stand still."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest_asyncio

from deployments.engine import Engine, EngineContext, create_engine
from deployments.spec import ModelSpec
from tests.deployments.engines.pool_conformance import Shared

once = pytest_asyncio.fixture(scope="module", loop_scope="module")


@asynccontextmanager
async def running(folder: Path, *specs: ModelSpec) -> AsyncIterator[Engine]:
    engine = create_engine(specs, EngineContext(folder))
    await engine.start()
    yield engine
    await engine.stop()


@asynccontextmanager
async def sharing(folder: Path, *specs: ModelSpec) -> AsyncIterator[Shared]:
    async with AsyncExitStack() as stack:
        alone = {
            spec.name: await stack.enter_async_context(running(folder, spec)) for spec in specs
        }
        yield Shared(await stack.enter_async_context(running(folder, *specs)), alone)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
