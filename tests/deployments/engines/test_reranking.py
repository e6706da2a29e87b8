"""Rankings, for each engine that computes them without a server or model files."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec import Raw

from deployments.engine import Engine, EngineContext, create_engine
from deployments.engines._llama_inputs import read_inputs
from deployments.models.errors import ModelError
from deployments.protocol import InvalidPrompt, ModelRequest, PromptTooLong, Usage
from deployments.spec import ModelSpec
from tests.deployments.engines.test_embeddings import running
from tests.deployments.tiny_bert_gguf import CONTEXT, save_tiny_bert
from tests.model_requests import chat, embedding, rerank

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine of each kind serves all tests

QUERY = "a cat"
DOCUMENTS = ["a dog", "", "b a cat", "cat", "zzz", "the cat and the dog"]


def spec(engine: str, model: Any = "m", **settings: Any) -> ModelSpec:
    return ModelSpec(name="tiny", model=str(model), kind="reranking", engine=engine, **settings)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["fake", "llama"])
async def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    model = save_tiny_bert(tmp_path_factory.mktemp("gguf") / "ranks.gguf", ranks=True)
    options = {"parallel_requests": 2} if request.param == "llama" else {}
    async with running(spec(request.param, model, engine_options=options)) as engine:
        yield engine


async def scores(engine: Engine, documents: list[str]) -> dict[int, float]:
    """The score of each document; the most relevant ones come first."""
    results = json.loads((await engine.complete(rerank(documents, QUERY))).data)["results"]
    found = [result["relevance_score"] for result in results]
    assert found == sorted(found, reverse=True)
    return {result["index"]: result["relevance_score"] for result in results}


async def test_each_document_has_the_score_that_it_has_alone(engine) -> None:
    """Between 0 and 1, also while others are ranked; not all are the same."""
    alone = [(await scores(engine, [of]))[0] for of in DOCUMENTS]
    answers = await asyncio.gather(*(scores(engine, DOCUMENTS) for _ in range(4)))

    for found in answers:
        assert found == {index: pytest.approx(of, abs=1e-3) for index, of in enumerate(alone)}
    assert len({round(of, 2) for of in alone}) > 2
    assert 0 <= min(alone) < max(alone) <= 1


async def test_the_query_counts(engine) -> None:
    """The same documents have other scores for another one."""
    first, other = [
        json.loads((await engine.complete(rerank(DOCUMENTS, query))).data)["results"]
        for query in ("a cat", "the dog zzz")
    ]
    assert first != other


async def test_the_usage_is_that_of_all_documents(engine) -> None:
    """Each was read with the query; nothing was generated."""
    alone = [await engine.complete(rerank([of], QUERY)) for of in DOCUMENTS]
    chunk = await engine.complete(rerank(DOCUMENTS, QUERY, top_n=1))

    tokens = sum(one.usage.prompt_tokens for one in alone)
    assert json.loads(chunk.data)["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert (chunk.usage.prompt_tokens, chunk.usage.completion_tokens, chunk.tokens) == (
        *(tokens, 0, 0),
    )


async def test_what_cannot_be_served_is_refused_by_name(engine) -> None:
    """And the engine lives on."""
    with pytest.raises(InvalidPrompt) as refused:
        await engine.complete(rerank(DOCUMENTS, rank_fields=["title"]))

    assert refused.value.parameter == "rank_fields"
    assert await scores(engine, ["a"])


@pytest.mark.parametrize("asked", [chat(), embedding()], ids=["chat", "embedding"])
async def test_nothing_else_is_served(engine, asked: ModelRequest) -> None:
    """It is the model that cannot."""
    with pytest.raises(InvalidPrompt) as refused:
        await engine.complete(asked)

    assert refused.value.parameter == "model"


async def test_a_ranking_is_not_streamed(engine) -> None:
    """The parameter is the one that asks for it."""
    with pytest.raises(InvalidPrompt) as refused:
        await anext(engine.stream(replace(rerank(), stream=True)))

    assert refused.value.parameter == "stream"


async def test_a_document_beyond_the_context_is_refused(tmp_path: Path) -> None:
    """By name, and the engine lives on."""
    model = save_tiny_bert(tmp_path / "ranks.gguf", ranks=True)
    async with running(spec("llama", model)) as engine:
        with pytest.raises(PromptTooLong) as refused:
            await engine.complete(rerank(["a", "b" * CONTEXT]))

        assert refused.value.parameter == "documents"
        assert await scores(engine, ["a"])


@pytest.mark.parametrize("kind", ["embedding", "generation"])
async def test_a_model_of_another_kind_ranks_nothing(tmp_path: Path, kind: Any) -> None:
    """It is the model that cannot."""
    other = ModelSpec(name="tiny", model="m", kind=kind, engine="fake")
    async with running(other) as engine:
        with pytest.raises(InvalidPrompt) as refused:
            await engine.complete(rerank())

    assert refused.value.parameter == "model"


async def test_a_file_that_ranks_nothing_is_refused(tmp_path: Path) -> None:
    """Its scores would be noise."""
    model = save_tiny_bert(tmp_path / "embeds.gguf")
    engine = create_engine([spec("llama", model)], EngineContext(tmp_path))

    with pytest.raises(ModelError, match=r"embeds\.gguf"):
        await engine.start()


async def test_pooling_is_for_models_that_embed() -> None:
    """A head that ranks has its own."""
    wrong = spec("llama", engine_options={"pooling": "mean"})
    with pytest.raises(ValueError, match=r"engine_options\.pooling"):
        create_engine([wrong], EngineContext(Path("unused")))


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        pytest.param("bert", [0.5, pytest.approx(0.8808, abs=1e-4), 0.0], id="logits"),
        pytest.param("qwen3", [0.0, 2.0, -1e4], id="what is a probability already"),
    ],
)
async def test_a_score_is_a_probability(architecture: str, expected: list[Any]) -> None:
    """Also where llama.cpp gives a logit, however large."""
    asked = read_inputs(rerank(["a", "b", "c"]), architecture)
    chunk = asked.write([Raw(b"0"), Raw(b"2.0"), Raw(b"-1e4")], Usage(3, 0))

    found = {of["index"]: of["relevance_score"] for of in json.loads(chunk.data)["results"]}
    assert [found[index] for index in range(3)] == expected
