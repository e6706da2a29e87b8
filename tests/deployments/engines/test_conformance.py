"""The conformance suite, for each engine that runs without a server or model files."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from deployments.engine import Engine, EngineContext, create_engine
from deployments.spec import ModelSpec
from tests.deployments.engines.conformance import (
    NAME,
    EngineConformance,
    Facts,
    PoolConformance,
    Shared,
)
from tests.deployments.tiny_gguf import save_tiny_gguf
from tests.deployments.tiny_lora import save_lora

CONTEXT = 256

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine of each kind serves all tests
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
    model = save_tiny_gguf(folder / "tiny.gguf")
    options = {"parallel_requests": 3, "max_context_tokens": CONTEXT, "max_batch_tokens": 32}
    spec = ModelSpec(name=NAME, model=str(model), engine="llama", engine_options=options)
    async with running(folder, spec) as engine:
        yield engine


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


@once
async def transformers_engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    from tests.deployments.tiny_model import save_tiny_model  # torch takes seconds to import

    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    options = {"max_context_tokens": CONTEXT, "cache_tokens": 2048, "max_batch_requests": 8}
    spec = ModelSpec(name=NAME, model=str(folder), engine="transformers", engine_options=options)
    async with running(folder, spec) as engine:
        yield engine


class TestFake(EngineConformance):
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


class TestLlama(EngineConformance):
    """llama.cpp, on a model of random weights."""

    @pytest.fixture
    def engine(self, llama_engine: Engine) -> Engine:
        return llama_engine

    @pytest.fixture
    def facts(self) -> Facts:
        return Facts(context_tokens=CONTEXT, control_token="<|im_start|>", slots=3)


class TestSharedLlama(PoolConformance):
    """A base and two adapters in one process."""

    @pytest.fixture
    def shared(self, shared_llama: Shared) -> Shared:
        return shared_llama


@pytest.mark.usefixtures("one_thread")
class TestTransformers(EngineConformance):
    """transformers with continuous batching, on a model of random weights."""

    @pytest.fixture
    def engine(self, transformers_engine: Engine) -> Engine:
        return transformers_engine

    @pytest.fixture
    def facts(self) -> Facts:
        return Facts(context_tokens=CONTEXT, control_token="<end>", slots=8)
