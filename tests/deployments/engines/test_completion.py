"""The transformers engine completes what a specialist left open, where its card says so."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deployments.engine import EngineContext, parse_options
from deployments.engines._options import Options
from deployments.engines.transformers import TransformersEngine
from deployments.generation import Piece, Prompt, Sampling
from deployments.protocol import Message
from deployments.spec import ModelSpec
from tests.deployments.adapters import save_adapter
from tests.deployments.chain_model import save_chain_model

EQUATION = "7*12="

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine serves the module's tests


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_chain_model(tmp_path_factory.mktemp("chain"), EQUATION)


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(tmp_path_factory.mktemp("adapter"), base, complete="calculator")


async def started(base: Path, adapter: Path) -> TransformersEngine:
    spec = ModelSpec(
        name="math",
        model=str(base),
        adapter=str(adapter),
        engine_options={"max_context_tokens": 256, "cache_tokens": 1024},
    )
    engine = TransformersEngine(spec, parse_options(Options, spec), EngineContext(base))
    await engine.start()
    return engine


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(base: Path, adapter: Path) -> AsyncIterator[TransformersEngine]:
    engine = await started(base, adapter)
    yield engine
    await engine.stop()


async def ask(engine: TransformersEngine, **sampling: object) -> list[Piece]:
    settings = Sampling(**({"max_tokens": 24, "temperature": 0.0} | sampling))
    prompt = Prompt("r", (Message("user", "how many?"),), sampling=settings)
    return [piece async for piece in engine.generate(prompt)]


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


async def test_a_finished_equation_gets_its_result(engine: TransformersEngine) -> None:
    """The result comes with the last piece, after what the model wrote."""
    *_, last = pieces = await ask(engine)

    assert text(pieces) == "7*12= 84"
    assert last.text.endswith(" 84")
    assert last.finish_reason == "stop"


async def test_the_result_is_no_token(engine: TransformersEngine) -> None:
    """The usage counts what the model generated: the equation's letters and the end token."""
    *_, last = pieces = await ask(engine)

    assert last.usage is not None
    assert last.usage.completion_tokens == sum(piece.tokens for piece in pieces) == 6


async def test_the_result_has_no_log_probabilities(engine: TransformersEngine) -> None:
    """Those of the model's own tokens are there, and no others."""
    pieces = await ask(engine, top_logprobs=1)

    assert text(pieces) == "7*12= 84"
    assert "".join(s.token for piece in pieces for s in piece.logprobs) == EQUATION


async def test_an_equation_cut_at_the_limit_is_left_as_it_is(engine: TransformersEngine) -> None:
    """The model might have gone on: nothing is added to what it did not finish."""
    *_, last = pieces = await ask(engine, max_tokens=len(EQUATION))

    assert text(pieces) == EQUATION
    assert last.finish_reason == "length"


async def test_an_end_at_the_limit_is_an_end(engine: TransformersEngine) -> None:
    """An end token that is the last one allowed finishes the equation."""
    *_, last = pieces = await ask(engine, max_tokens=len(EQUATION) + 1)

    assert text(pieces) == "7*12= 84"
    assert last.finish_reason == "stop"


@pytest.mark.parametrize(
    ("stop", "wanted"),
    [
        pytest.param("=", "7*12", id="before the model's end: nothing is added"),
        pytest.param("4", "7*12= 8", id="inside the result"),
        pytest.param("= 8", "7*12", id="begun by the model and ended by the result"),
        pytest.param("= 9", "7*12= 84", id="begun, and then not"),
    ],
)
async def test_stop_strings_hold_for_the_whole_answer(
    engine: TransformersEngine, stop: str, wanted: str
) -> None:
    """No answer shows a stop string, wherever its letters come from."""
    *_, last = pieces = await ask(engine, stop=(stop,))

    assert text(pieces) == wanted
    assert last.finish_reason == "stop"


async def test_each_of_many_answers_is_completed_once(engine: TransformersEngine) -> None:
    """Answers at the same time, as for several choices, do not share what they said."""
    answers = await asyncio.gather(*(ask(engine, seed=seed) for seed in range(8)))

    assert [text(pieces) for pieces in answers] == ["7*12= 84"] * 8


async def test_a_continued_text_is_not_completed(engine: TransformersEngine) -> None:
    """A bare text is continued as the model continues it: there is no answer to finish."""
    prompt = Prompt("r", text="so:", sampling=Sampling(max_tokens=24, temperature=0.0))
    pieces = [piece async for piece in engine.generate(prompt)]

    assert text(pieces) == EQUATION
    assert pieces[-1].finish_reason == "stop"


async def test_without_a_word_in_the_card_nothing_is_added(base: Path, tmp_path: Path) -> None:
    """Other specialists' answers are theirs alone."""
    engine = await started(base, save_adapter(tmp_path, base))

    pieces = await ask(engine)
    await engine.stop()

    assert text(pieces) == EQUATION
