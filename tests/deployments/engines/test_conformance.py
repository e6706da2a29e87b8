"""The conformance suite, for each engine that runs without a server or model files."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from deployments.engine import Engine, EngineContext, create_engine
from deployments.spec import ModelSpec
from tests.deployments.engines.conformance import NAME, EngineConformance, Facts
from tests.deployments.tiny_gguf import save_tiny_gguf

CONTEXT = 256

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine of each kind serves all tests
once = pytest_asyncio.fixture(scope="module", loop_scope="module")


@asynccontextmanager
async def running(spec: ModelSpec, folder: Path) -> AsyncIterator[Engine]:
    engine = create_engine(spec, EngineContext(folder))
    await engine.start()
    yield engine
    await engine.stop()


@once
async def fake_engine() -> AsyncIterator[Engine]:
    reply = " ".join(f"word{index}" for index in range(60)) + " {digest}"
    options = {"reply": reply, "token_seconds": 0.0005}
    spec = ModelSpec(name=NAME, model="m", engine="fake", engine_options=options)
    async with running(spec, Path("unused")) as engine:
        yield engine


@once
async def llama_engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    folder = tmp_path_factory.mktemp("gguf")
    model = save_tiny_gguf(folder / "tiny.gguf")
    options = {"parallel_requests": 3, "max_context_tokens": CONTEXT, "max_batch_tokens": 32}
    spec = ModelSpec(name=NAME, model=str(model), engine="llama", engine_options=options)
    async with running(spec, folder) as engine:
        yield engine


@once
async def transformers_engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    from tests.deployments.tiny_model import save_tiny_model  # torch takes seconds to import

    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    options = {"max_context_tokens": CONTEXT, "cache_tokens": 2048, "max_batch_requests": 8}
    spec = ModelSpec(name=NAME, model=str(folder), engine="transformers", engine_options=options)
    async with running(spec, folder) as engine:
        yield engine


class TestFake(EngineConformance):
    """The engine of other tests keeps the promises of those that it stands for."""

    @pytest.fixture
    def engine(self, fake_engine: Engine) -> Engine:
        return fake_engine

    @pytest.fixture
    def facts(self) -> Facts:
        return Facts(samples=False, counts_empty=True)


class TestLlama(EngineConformance):
    """llama.cpp, on a model of random weights."""

    @pytest.fixture
    def engine(self, llama_engine: Engine) -> Engine:
        return llama_engine

    @pytest.fixture
    def facts(self) -> Facts:
        return Facts(
            context_tokens=CONTEXT,
            control_token="<|im_start|>",
            slots=3,
            batch_equals_alone=False,
        )


@pytest.mark.usefixtures("one_thread")
class TestTransformers(EngineConformance):
    """transformers with continuous batching, on a model of random weights."""

    @pytest.fixture
    def engine(self, transformers_engine: Engine) -> Engine:
        return transformers_engine

    @pytest.fixture
    def facts(self) -> Facts:
        return Facts(context_tokens=CONTEXT, control_token="<end>", slots=8)
