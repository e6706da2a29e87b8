"""The real encoder and the shipped artifact; skipped where the encoder was never pulled."""

import os

import numpy as np
import pytest

from deployments.models.cache import cache_dir, model_dir
from router.artifact import artifact_path, load_artifact
from router.config import RouterConfig
from router.errors import EncoderError
from router.router import Router
from router.types import Query, Reason


@pytest.fixture(scope="module")
def encoder():
    where = model_dir(cache_dir(os.environ), "all-minilm-l6-v2")
    if not where.is_dir():
        pytest.skip("the encoder is not here; run: niche models pull all-minilm-l6-v2")
    from router.encoder import Encoder

    return Encoder(where)


def test_an_absent_encoder_is_named(tmp_path):
    """The error names the directory and the file that is missing."""
    from router.encoder import Encoder

    with pytest.raises(EncoderError, match=r"model\.safetensors is missing"):
        Encoder(tmp_path)


def test_vectors_have_length_one_and_keep_their_order(encoder):
    """A batch gives the vectors that its texts have alone."""
    texts = ["a long text " * 20, "short", "", "of medium length, this one"]
    batch = encoder.encode(texts)
    assert batch.vectors.shape == (4, 384)
    assert batch.vectors.dtype == np.float32
    assert np.linalg.norm(batch.vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    for text, vector in zip(texts, batch.vectors, strict=True):
        assert encoder.encode([text]).vectors[0] == pytest.approx(vector, abs=1e-5)


def test_no_texts_give_no_vectors(encoder):
    """An empty batch has the right width and no rows."""
    assert encoder.encode([]).vectors.shape == (0, 384)


@pytest.mark.parametrize("text", ["word " * 300, "x" * 1_000_000], ids=["many words", "one word"])
def test_long_texts_are_cut_and_reported(encoder, text):
    """A text beyond the limit is marked; a short one beside it is not."""
    assert encoder.encode([text, "short"]).truncated.tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("Columns: name, team, points\nQuestion: Which team has the most points?", "sql"),
        ("Play the latest album by Adele.", "tools"),
        ("What is SQL?", "boss"),
        ("hi", "boss"),
        ("write a poem about the sea", "boss"),
    ],
)
def test_the_shipped_artifact_routes_plain_cases(encoder, text, model):
    """The artifact in the package, with its encoder, sends clear prompts where they belong."""
    classifier = load_artifact(artifact_path("default"), encoder)
    router = Router(classifier, {"sql": ("sql",), "tools": ("tools",)}, "boss", RouterConfig())
    decision = router.route(Query(text=text), lambda name: True)
    assert decision.candidates[0] == model
    assert (decision.reason is Reason.ROUTED) == (model != "boss")
