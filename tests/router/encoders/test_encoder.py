"""The encoder on CPU; what needs real weights is skipped where they were never pulled."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from router.artifact import artifact_path, load_artifact
from router.config import RouterConfig
from router.encoders.adapter import adapter_of
from router.encoders.encoder import Encoder
from router.errors import EncoderError
from router.policy import Policy
from router.types import GENERAL, Query, Reason
from router.verification import verify
from tests.router.encoders.minilm import minilm
from tests.router.encoders.tiny_bert import WIDTH, tiny_bert

ODD = {
    "empty": "",
    "zero bytes": "\x00\x01\x02" * 100,
    "a lone surrogate": "a \ud800 b",
    "no characters": "\ufffe\uffff",
    "an unknown script": "ⵜⴰⵎⴰⵣⵉⵖⵜ ᏣᎳᎩ ꦗꦮ",
    "line ends alone": "\n" * 100_000,
    "one huge word": "x" * 1_000_000,
    "100,000 words": "word " * 100_000,
    "100,000 characters that are words": "漢" * 100_000,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def encoder(model, cache):
    return Encoder(model, cache, max_tokens=32)


@pytest.fixture(scope="module")
def real_encoder():
    return Encoder(*minilm())


def texts_of_many_lengths(count: int) -> list[str]:
    rng = np.random.default_rng(7)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    return [" ".join(rng.choice(letters, size)) for size in rng.integers(0, 40, count)]


def test_an_absent_encoder_is_named(tmp_path, cache):
    """The error names the directory and what to do."""
    with pytest.raises(EncoderError, match=r"nowhere.*niche models pull"):
        Encoder(tmp_path / "nowhere", cache)


def test_a_limit_beyond_the_model_is_refused(model, cache):
    """More tokens than the model has positions cannot be encoded."""
    with pytest.raises(EncoderError, match=r"max_tokens.*65.*8.*64"):
        Encoder(model, cache, max_tokens=65)


def test_vectors_have_length_one(encoder):
    """So has each vector's part of a layer, but for the share of a third."""
    vectors = encoder.encode(texts_of_many_lengths(20)).vectors
    assert (vectors.shape, vectors.dtype) == ((20, WIDTH), np.float32)
    parts = np.linalg.norm(vectors.reshape(20, 3, -1), axis=2)
    assert parts == pytest.approx(np.full((20, 3), 3**-0.5), abs=1e-5)


def test_no_texts_give_no_vectors(encoder):
    """An empty batch has the right width and no rows."""
    encoded = encoder.encode([])
    assert (encoded.vectors.shape, encoded.truncated.shape) == ((0, WIDTH), (0,))


def test_a_text_has_its_own_vector(encoder):
    """Companions change nothing: each row of a batch is what its text has alone."""
    texts = texts_of_many_lengths(60)
    batch = encoder.encode(texts).vectors
    for text, vector in zip(texts, batch, strict=True):
        assert encoder.encode([text]).vectors[0] == pytest.approx(vector, abs=1e-5)


def test_threads_change_no_vector(model, cache, encoder):
    """Passes side by side give the vectors of passes one after the other."""
    texts = texts_of_many_lengths(60)
    threaded = Encoder(model, cache, threads=3, max_tokens=32)
    assert threaded.encode(texts).vectors == pytest.approx(encoder.encode(texts).vectors, abs=1e-5)


def test_one_encoder_serves_many_threads(encoder):
    """Calls at the same time do not disturb each other."""
    texts = texts_of_many_lengths(60)
    expected = encoder.encode(texts).vectors
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: encoder.encode([text]).vectors[0], texts))
    assert np.array(found) == pytest.approx(expected, abs=1e-5)


def test_more_texts_than_fit_into_a_pass_keep_their_order(encoder):
    """Hundreds of texts of one length are split and put back."""
    texts = [f"{number:03d}" for number in range(400)]
    vectors = encoder.encode(texts).vectors
    assert vectors[::50] == pytest.approx(encoder.encode(texts[::50]).vectors, abs=1e-5)


def test_long_texts_are_cut_and_reported(encoder):
    """A text beyond the limit is marked; a short one beside it is not."""
    assert encoder.encode(["a b " * 30, "short"]).truncated.tolist() == [True, False]


def test_both_ends_of_a_long_text_count(encoder):
    """Another end gives another vector, and another middle does not."""
    middle, other, end = (
        encoder.encode(["a b " * 15 + part]).vectors[0]
        for part in ("q " * 50 + "c d " * 10, "r " * 70 + "c d " * 10, "q " * 50 + "e f " * 10)
    )
    assert middle == pytest.approx(other, abs=1e-5)
    assert abs(middle - end).max() > 1e-3


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_odd_texts_have_vectors(encoder, text):
    """Whatever a client sends is encoded, to a vector of length 1."""
    assert np.linalg.norm(encoder.encode([text]).vectors[0]) == pytest.approx(1, abs=1e-5)


def test_tokens_are_counted_before_the_cut(encoder):
    """The count includes the special tokens."""
    assert encoder.count_tokens("a " * 100) == 102


def test_with_real_weights_a_text_has_its_own_vector(real_encoder):
    """Companions of any length change nothing."""
    texts = ["What is SQL?", "a b c", "Play Nina Simone.", "word " * 400, "x", "Is it late?"]
    batch = real_encoder.encode(texts).vectors
    assert batch.shape == (6, 1152)
    for text, vector in zip(texts, batch, strict=True):
        assert real_encoder.encode([text]).vectors[0] == pytest.approx(vector, abs=1e-5)


@pytest.fixture(scope="module")
def shipped():
    """The artifact in the package, with its encoder."""
    path, cache = minilm()
    artifact = artifact_path("default")
    return load_artifact(artifact, Encoder(path, cache, adapter=adapter_of(artifact)))


def test_the_shipped_artifact_decides_as_where_it_was_trained(shipped):
    """Nearly all of its verification prompts, which old artifacts lack, go where they went."""
    assert verify(shipped).prompts == len(shipped.trained.verification)


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("Columns: name, team, points\nQuestion: Which team has the most points?", "sql"),
        ("Play the latest album by Adele.", "tools"),
        ("Ann has 12 pens and buys 7 more. How many pens does she have now?", "math"),
        ("Lithium caused tremor and renal failure in three patients.", "biomed"),
        ("Where is the new card that you sent me last week?", "support"),
        ("What is SQL?", "boss"),
        ("hi", "boss"),
        ("write a poem about the sea", "boss"),
        ("What are the side effects of aspirin?", "boss"),
        ("How do banks make money?", "boss"),
    ],
)
def test_the_shipped_artifact_routes_plain_cases(shipped, text, model):
    """It sends clear prompts where they belong."""
    table = {name: (name,) for name in shipped.classes_ if name != GENERAL}
    [scores] = shipped.scores([Query(text=text)])
    decision = Policy(table, "boss", RouterConfig()).decide(scores)
    assert decision.candidates[0] == model
    assert (decision.reason is Reason.ROUTED) == (model != "boss")
