"""The default stack's model that embeds, on the llama engine: needs the model files."""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deployments.engine import Engine, EngineContext, create_engine
from deployments.models.cache import cache_dir
from deployments.models.resolve import resolve
from deployments.protocol import PromptTooLong
from gateway.config_file import load_config
from lab.specialists.registry import NICHES
from tests.deployments.engines.embedding_conformance import vectors
from tests.e2e.conftest import ROOT
from tests.mean_pooled import cosines, mean_pooled
from tests.model_requests import embedding

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine serves the module's tests

[SPEC] = load_config(ROOT / "niche.yaml").embeddings
CACHE = cache_dir(os.environ)
TEXTS = [
    *(niche.sample for niche in NICHES.values()),
    "a",
    "Grüße, 世界 🙂\t\u200b\r\n  1234 don't",
    "ÀÉÎÕÜ ñ ß ﬁ ½ e\u0301",
    "[SEP] [MASK] [unused1] ##ing",
    "supercalifragilisticexpialidocious " * 5,
    "x = {'key': [1, 2.5, -3e4]}  # https://example.org/?q=1&r=2",
    "word " * 254,
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[Engine]:
    engine = create_engine([SPEC], EngineContext(CACHE))
    await engine.start()
    yield engine
    await engine.stop()


async def test_its_vectors_are_the_checkpoints(engine: Engine) -> None:
    """As sentence-transformers defines them, in many scripts and at full length."""
    found = vectors(await engine.complete(embedding(TEXTS, SPEC.name)))
    wanted = mean_pooled(resolve(SPEC.model, CACHE), TEXTS)

    assert {len(vector) for vector in found} == {384}
    assert min(cosines(found, wanted)) > 0.999


async def test_a_text_beyond_256_tokens_is_refused(engine: Engine) -> None:
    """Its vector would be that of its beginning."""
    with pytest.raises(PromptTooLong) as refused:
        await engine.complete(embedding("word " * 255, SPEC.name))

    assert refused.value.parameter == "input"
