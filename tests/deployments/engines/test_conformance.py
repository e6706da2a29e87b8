"""The conformance suite, for each engine that runs without model files."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployments.engine import Engine
from deployments.protocol import Unavailable
from deployments.spec import ModelSpec
from loadtests.traffic.stack import free_port
from tests.deployments.engines.asking import NAME
from tests.deployments.engines.conformance import STALL_SECONDS, EngineConformance, Facts, Hang
from tests.deployments.engines.form_conformance import FormConformance
from tests.deployments.engines.pool_conformance import PoolConformance, Shared
from tests.deployments.engines.running import once, running, sharing, stopped
from tests.deployments.tiny_gguf import save_tiny_gguf
from tests.deployments.tiny_lora import save_lora

CONTEXT = 256
LONG_CONTEXT = 1024
"""Of models that read and answer so fast that nobody could leave them in time."""

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine of each kind serves all tests


@once
async def fake_engine() -> AsyncIterator[Engine]:
    reply = " ".join(f"word{index}" for index in range(60)) + " {digest}"
    options = {"reply": reply, "token_seconds": 0.0005}
    spec = ModelSpec(name=NAME, model="m", engine="fake", engine_options=options)
    async with running(Path("unused"), spec) as engine:
        yield engine


@once
async def shared_fake() -> AsyncIterator[Shared]:
    specs = [ModelSpec(name=name, model="m", engine="fake") for name in ("first", "second")]
    async with sharing(Path("unused"), *specs) as shared:
        yield shared


@once
async def llama_engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    folder = tmp_path_factory.mktemp("gguf")
    model = save_tiny_gguf(folder / "tiny.gguf", context=LONG_CONTEXT)
    options = {
        "parallel_requests": 3,
        "max_context_tokens": LONG_CONTEXT,
        "max_batch_tokens": 32,
        "stall_seconds": STALL_SECONDS,
    }
    spec = ModelSpec(name=NAME, model=str(model), engine="llama", engine_options=options)
    async with running(folder, spec) as engine:
        yield engine


@contextmanager
def llama_server(model: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """llama.cpp's own HTTP server, as others run it; it takes a moment to listen."""
    port = free_port()
    settings = {"model": model, "port": port, "parallel": 3, "context": LONG_CONTEXT}
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "loadtests.bench.raw_llama", *arguments]
    with subprocess.Popen(command) as process:
        try:
            yield f"http://127.0.0.1:{port}/v1", process
        finally:
            process.kill()


@once
async def llama_upstream(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Engine, subprocess.Popen[bytes]]]:
    model = save_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", context=LONG_CONTEXT)
    with llama_server(model) as (url, process):
        options = {"base_url": url, "control_tokens": ["<|im_start|>"]}
        spec = ModelSpec(name=NAME, model="tiny", engine="openai", engine_options=options)
        async with running(Path("unused"), spec) as engine:
            async with asyncio.timeout(60):
                await _healthy(engine)
            yield engine, process


async def _healthy(engine: Engine) -> None:
    """Waits until its server answers."""
    while True:
        try:
            return await engine.health(NAME)
        except Unavailable:
            await asyncio.sleep(0.02)


@once
async def shared_llama(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    folder = tmp_path_factory.mktemp("gguf")
    model = save_tiny_gguf(folder / "tiny.gguf")
    adapters = {
        "base": None,
        "first": str(save_lora(folder / "first", model, seed=1)),
        "second": str(save_lora(folder / "second", model, seed=2)),
    }
    specs = [
        ModelSpec(
            name=name,
            model=str(model),
            adapter=adapter,
            engine="llama",
            system_prompt="do it.",
            engine_options={"parallel_requests": 2, "max_context_tokens": CONTEXT},
        )
        for name, adapter in adapters.items()
    ]
    async with sharing(folder, *specs) as shared:
        yield shared


class TestFake(EngineConformance, FormConformance):
    """The engine of other tests keeps the promises of those that it stands for."""

    @pytest.fixture
    def engine(self, fake_engine: Engine) -> Engine:
        return fake_engine

    @pytest.fixture
    def facts(self) -> Facts:
        return Facts(samples=False, counts_empty=True)


class TestSharedFake(PoolConformance):
    """Also where models share its process."""

    @pytest.fixture
    def shared(self, shared_fake: Shared) -> Shared:
        return shared_fake


class TestLlama(EngineConformance, FormConformance):
    """llama.cpp, on a model of random weights."""

    @pytest.fixture
    def engine(self, llama_engine: Engine) -> Engine:
        return llama_engine

    @pytest.fixture
    def facts(self) -> Facts:
        return Facts(
            context_tokens=LONG_CONTEXT,
            control_token="<|im_start|>",
            slots=3,
            long_tokens=LONG_CONTEXT - 100,
        )

    @pytest.fixture
    def hang(self, llama_engine: Any) -> Hang:
        return lambda: _hung_llama(llama_engine._loaded.server)


@contextmanager
def _hung_llama(server: Any) -> Iterator[None]:
    """Puts a server before its calls that says nothing; no thread of llama.cpp's can be held."""
    goes_on = threading.Event()

    class Hung:
        def handle_chat_completions(self, body: bytes, receive: Any) -> None:
            goes_on.wait()

    real, server._server = server._server, Hung()
    try:
        yield
    finally:
        server._server = real
        goes_on.set()


class TestOpenAI(EngineConformance, FormConformance):
    """The engine that forwards, before llama.cpp's own HTTP server."""

    @pytest.fixture
    def engine(self, llama_upstream: tuple[Engine, Any]) -> Engine:
        return llama_upstream[0]

    @pytest.fixture
    def facts(self) -> Facts:
        return Facts(
            context_tokens=LONG_CONTEXT,
            control_token="<|im_start|>",
            slots=3,
            long_tokens=LONG_CONTEXT - 100,
            counts_empty=True,
            forwards=True,
        )

    @pytest.fixture
    def hang(self, llama_upstream: tuple[Engine, subprocess.Popen[bytes]]) -> Hang:
        return lambda: stopped(llama_upstream[1].pid)


class TestSharedLlama(PoolConformance):
    """A base and two adapters in one process."""

    @pytest.fixture
    def shared(self, shared_llama: Shared) -> Shared:
        return shared_llama
