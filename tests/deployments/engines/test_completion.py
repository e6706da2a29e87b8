"""An engine completes what a specialist left open, where its card says so."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deployments.engine import Engine, EngineContext, create_engine
from deployments.protocol import Chunk
from deployments.spec import ModelSpec
from tests.deployments.tiny_gguf import HEAD, save_chain_gguf
from tests.deployments.tiny_lora import save_lora
from tests.model_requests import chat, completion, text_of

EQUATION = "7*12="
OPTIONS: dict[str, dict[str, Any]] = {
    "llama": {"parallel_requests": 2, "max_context_tokens": 256},
    "vllm": {"max_model_len": 256, "max_num_seqs": 4, "dtype": "float32", "enforce_eager": True},
}

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine of each kind serves most tests


@dataclass(frozen=True)
class Base:
    """A model that answers every chat with the equation, a token for each letter, and ends; and
    the engine for it. It continues a text that ends in `last` likewise."""

    engine: str
    path: Path
    last: str

    async def started(self, folder: Path, **card: Any) -> Engine:
        """An engine with an adapter of that card, which changes nothing."""
        adapter = self._adapter(folder / "adapter", card)
        spec = ModelSpec(
            name="math",
            model=str(self.path),
            adapter=str(adapter),
            engine=self.engine,
            engine_options=OPTIONS[self.engine],
        )
        engine = create_engine([spec], EngineContext(folder))
        await engine.start()
        return engine

    def _adapter(self, folder: Path, card: dict[str, Any]) -> Path:
        if self.engine == "llama":
            return save_lora(folder, self.path, width=64, kv_width=HEAD, layers=1, **card)
        from tests.deployments.adapters import save_adapter

        return save_adapter(folder, self.path, **card)


WITH_VLLM = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vllm is not installed here; `make test-vllm` runs this"
)


@pytest.fixture(scope="module", params=["llama", pytest.param("vllm", marks=WITH_VLLM)])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = tmp_path_factory.mktemp("chain")
    if request.param == "llama":
        return Base("llama", save_chain_gguf(folder / "chain.gguf", EQUATION), "\n")
    from tests.deployments.chain_model import save_chain_model  # torch takes seconds to import

    return Base("vllm", save_chain_model(folder, EQUATION), ":")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(base: Base, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    engine = await base.started(tmp_path_factory.mktemp("math"), complete="calculator")
    yield engine
    await engine.stop()


async def ask(engine: Engine, **body: Any) -> list[Chunk]:
    request = chat("how many?", "math", **({"max_tokens": 24, "temperature": 0} | body))
    chunks = [chunk async for chunk in engine.stream(request)]
    assert text_of([await engine.complete(request)]) == text_of(chunks)
    return chunks


async def test_a_finished_equation_gets_its_result(engine: Engine) -> None:
    """The result comes with the last chunk, after what the model wrote, streamed and whole."""
    *_, last = chunks = await ask(engine)

    assert text_of(chunks) == "7*12= 84"
    assert text_of([last]).endswith(" 84")
    assert last.finish_reasons == ((0, "stop"),)


async def test_the_result_is_no_token(engine: Engine) -> None:
    """The usage counts what the model generated: the equation's letters and the end token."""
    *_, last = chunks = await ask(engine)

    assert last.usage is not None
    assert last.usage.completion_tokens == sum(chunk.tokens for chunk in chunks) == 6


async def test_an_equation_cut_at_the_limit_is_left_as_it_is(engine: Engine) -> None:
    """The model might have gone on: nothing is added to what it did not finish."""
    *_, last = chunks = await ask(engine, max_tokens=len(EQUATION))

    assert text_of(chunks) == EQUATION
    assert last.finish_reasons == ((0, "length"),)


async def test_an_end_at_the_limit_is_an_end(engine: Engine) -> None:
    """An end token that is the last one allowed finishes the equation."""
    *_, last = chunks = await ask(engine, max_tokens=len(EQUATION) + 1)

    assert text_of(chunks) == "7*12= 84"
    assert last.finish_reasons == ((0, "stop"),)


async def test_a_stop_string_before_the_end_leaves_nothing_to_add(engine: Engine) -> None:
    """The equation is not open any more."""
    assert text_of(await ask(engine, stop="=")) == "7*12"


async def test_each_of_several_answers_is_completed_once(engine: Engine) -> None:
    """Choices do not share what they said."""
    chunks = await ask(engine, n=8, seed=1)

    assert [text_of(chunks, index) for index in range(8)] == ["7*12= 84"] * 8


async def test_a_continued_text_is_not_completed(engine: Engine, base: Base) -> None:
    """A bare text is continued as the model continues it: there is no answer to finish."""
    request = completion(f"so{base.last}", "math", max_tokens=24, temperature=0)
    answer = await engine.complete(request)

    assert text_of([answer]) == EQUATION
    assert answer.finish_reasons == ((0, "stop"),)


async def test_without_a_word_in_the_card_nothing_is_added(base: Base, tmp_path: Path) -> None:
    """Other specialists' answers are theirs alone."""
    engine = await base.started(tmp_path)

    chunks = await ask(engine)
    await engine.stop()

    assert text_of(chunks) == EQUATION
