"""The transformers engine completes what a specialist left open, where its card says so."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deployments.engine import Engine, EngineContext, create_engine
from deployments.protocol import Chunk
from deployments.spec import ModelSpec
from tests.deployments.adapters import save_adapter
from tests.deployments.chain_model import save_chain_model
from tests.model_requests import chat, completion, text_of

EQUATION = "7*12="

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine serves the module's tests


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_chain_model(tmp_path_factory.mktemp("chain"), EQUATION)


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(tmp_path_factory.mktemp("adapter"), base, complete="calculator")


async def started(base: Path, adapter: Path) -> Engine:
    spec = ModelSpec(
        name="math",
        model=str(base),
        adapter=str(adapter),
        engine_options={"max_context_tokens": 256, "cache_tokens": 1024},
    )
    engine = create_engine([spec], EngineContext(base))
    await engine.start()
    return engine


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(base: Path, adapter: Path) -> AsyncIterator[Engine]:
    engine = await started(base, adapter)
    yield engine
    await engine.stop()


async def ask(engine: Engine, **body: Any) -> list[Chunk]:
    request = chat("how many?", **({"max_tokens": 24, "temperature": 0} | body))
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


async def test_a_continued_text_is_not_completed(engine: Engine) -> None:
    """A bare text is continued as the model continues it: there is no answer to finish."""
    answer = await engine.complete(completion("so:", max_tokens=24, temperature=0))

    assert text_of([answer]) == EQUATION
    assert answer.finish_reasons == ((0, "stop"),)


async def test_without_a_word_in_the_card_nothing_is_added(base: Path, tmp_path: Path) -> None:
    """Other specialists' answers are theirs alone."""
    engine = await started(base, save_adapter(tmp_path, base))

    chunks = await ask(engine)
    await engine.stop()

    assert text_of(chunks) == EQUATION
