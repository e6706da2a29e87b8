"""The suite of embeddings, for each engine that computes them without a server or model files, and
what the engines do beyond it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deployments.engine import Engine, EngineContext, create_engine
from deployments.models.errors import ModelError
from deployments.protocol import InvalidPrompt, Overloaded, Unavailable
from deployments.spec import ModelSpec
from tests.deployments.engines.embedding_conformance import (
    NAME,
    EmbeddingConformance,
    Facts,
    embedded,
    near,
    vectors,
)
from tests.deployments.tiny_bert_gguf import CONTEXT as ENCODER_CONTEXT
from tests.deployments.tiny_bert_gguf import SURROUNDING_TOKENS, save_tiny_bert
from tests.deployments.tiny_gguf import save_tiny_gguf, token_of
from tests.model_requests import chat, embedding

CONTEXT = 256

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine of each kind serves all tests
once = pytest_asyncio.fixture(scope="module", loop_scope="module")


def spec(engine: str, model: Any = "m", kind: Any = "embedding", **options: Any) -> ModelSpec:
    return ModelSpec(name=NAME, model=str(model), kind=kind, engine=engine, engine_options=options)


@asynccontextmanager
async def running(*specs: ModelSpec) -> AsyncIterator[Engine]:
    engine = create_engine(specs, EngineContext(Path("unused")))
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


@once
async def fake_engine() -> AsyncIterator[Engine]:
    async with running(spec("fake", first_token_seconds=0.001)) as engine:
        yield engine


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["mean", "last", "cls"])
async def decoder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    model = save_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")
    options = {"parallel_requests": 3, "max_context_tokens": CONTEXT, "max_batch_tokens": 32}
    async with running(spec("llama", model, pooling=request.param, **options)) as engine:
        yield engine


@once
async def encoder(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    model = save_tiny_bert(tmp_path_factory.mktemp("gguf") / "bert.gguf")
    async with running(spec("llama", model, parallel_requests=2)) as engine:
        yield engine


class TestFake(EmbeddingConformance):
    """The engine of other tests keeps the promises of those that it stands for."""

    @pytest.fixture
    def engine(self, fake_engine: Engine) -> Engine:
        return fake_engine

    @pytest.fixture
    def facts(self) -> Facts:
        return Facts()


class TestLlamaDecoder(EmbeddingConformance):
    """llama.cpp, on a language model of random weights."""

    @pytest.fixture
    def engine(self, decoder: Engine) -> Engine:
        return decoder

    @pytest.fixture
    def facts(self) -> Facts:
        return Facts(CONTEXT, slots=3)

    async def test_a_text_is_its_tokens(self, engine) -> None:
        """Its vector is that of their ids."""
        ids = [token_of(byte) for byte in b"hello"]

        assert [near(vector) for vector in await embedded(engine, "hello")] == await embedded(
            engine, ids
        )


class TestLlamaEncoder(EmbeddingConformance):
    """llama.cpp, on an encoder of random weights, which has no memory."""

    @pytest.fixture
    def engine(self, encoder: Engine) -> Engine:
        return encoder

    @pytest.fixture
    def facts(self) -> Facts:
        return Facts(ENCODER_CONTEXT, slots=2)

    async def test_a_texts_surrounding_tokens_count(self, engine) -> None:
        """They are the model's to read."""
        answer = await engine.complete(embedding("abc", NAME))

        assert answer.usage.prompt_tokens == 3 + SURROUNDING_TOKENS

    async def test_a_model_has_the_context_that_it_was_trained_for(self, engine) -> None:
        """However long the operator's is."""
        [card] = await engine.cards()

        assert card.max_context_tokens == ENCODER_CONTEXT

    async def test_the_engines_seconds_are_counted(self, engine) -> None:
        """Of the request, whatever the number of its inputs."""
        answer = await engine.complete(embedding(["a" * 40] * 8, NAME))

        assert answer.usage.engine_seconds > 0


@pytest.mark.parametrize("pooling", ["mean", "last"])
async def test_the_operator_says_how_to_pool(tmp_path: Path, pooling: str) -> None:
    """Where the model's file does not; the vectors differ."""
    model = save_tiny_gguf(tmp_path / "tiny.gguf")
    async with running(spec("llama", model, pooling=pooling)) as engine:
        [vector] = await embedded(engine, "hello")
    async with running(spec("llama", model, pooling="cls")) as engine:
        [other] = await embedded(engine, "hello")

    assert vector != near(other)


async def test_a_file_that_does_not_say_how_to_pool_is_refused(tmp_path: Path) -> None:
    """With the option that says it."""
    model = save_tiny_gguf(tmp_path / "tiny.gguf")
    engine = create_engine([spec("llama", model)], EngineContext(tmp_path))

    with pytest.raises(ModelError, match=r"engine_options\.pooling"):
        await engine.start()


@pytest.mark.parametrize("engine_name", ["fake", "llama"])
async def test_a_model_that_generates_gives_no_vectors(tmp_path: Path, engine_name: str) -> None:
    """It is the model that cannot, and it answers chats as before."""
    model = save_tiny_gguf(tmp_path / "tiny.gguf")
    async with running(spec(engine_name, model, kind="generation")) as engine:
        with pytest.raises(InvalidPrompt) as refused:
            await engine.complete(embedding(model=NAME))

        assert refused.value.parameter == "model"
        assert (await engine.complete(chat(model=NAME, max_tokens=3))).usage is not None


async def test_models_of_one_process_are_of_one_kind(tmp_path: Path) -> None:
    """llama.cpp's server either writes or embeds."""
    specs = [
        spec("llama", kind=kind).model_copy(update={"name": kind})
        for kind in ("generation", "embedding")
    ]
    with pytest.raises(ValueError, match="'embedding'"):
        create_engine(specs, EngineContext(tmp_path))


async def test_several_models_share_a_process(tmp_path: Path) -> None:
    """Each by its name, with its own counts."""
    model = save_tiny_bert(tmp_path / "bert.gguf")
    specs = [spec("llama", model).model_copy(update={"name": name}) for name in ("first", "second")]
    async with running(*specs) as engine:
        answers = [await engine.complete(embedding("abc", name)) for name in ("first", "second")]
        counts = [(await engine.load(name)).completed for name in ("first", "second")]

    assert near(vectors(answers[0])[0]) == vectors(answers[1])[0]
    assert counts == [1, 1]


async def test_a_fake_model_fails_on_demand() -> None:
    """As one that writes does."""
    async with running(spec("fake", overloaded=True)) as engine:
        with pytest.raises(Overloaded):
            await embedded(engine, "hello")
    async with running(spec("fake", unavailable_after=1)) as engine:
        await embedded(engine, "hello")
        with pytest.raises(Unavailable):
            await embedded(engine, "hello")
