"""The stop watch, on a model of a few kilobytes."""

import sys
import time

import numpy as np
import pytest

from lab.benchmarks.speed import (
    Throughput,
    latency,
    sentence_transformers_encode,
    throughput,
)
from router.classifier import Encoded
from router.encoders.encoder import Encoder
from router.errors import EncoderError
from tests.router.encoders.tiny_bert import tiny_bert

TEXTS = ["a b c d e f g h i j k l m n o p q r s t u v w x y z", "too short", "and long " * 20]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speed")
    return Encoder(tiny_bert(folder / "model"), folder / "cache", max_tokens=32)


class SlowEncoder:
    """Takes a hundredth of a second per call, however many texts there are."""

    name, sha256 = "slow", "0" * 64

    def __init__(self):
        self.sizes = []

    def encode(self, texts):
        self.sizes.append(len(texts))
        time.sleep(0.01)
        return Encoded(np.zeros((len(texts), 1), np.float32), np.zeros(len(texts), np.bool_))


def test_latency_is_told_per_band(encoder):
    """One text is in the short band; the long ones are put together from all words."""
    short, long = latency(encoder, TEXTS, calls=50)
    assert (short.tokens, short.texts, short.calls) == ("20-60", 1, 50)
    assert (long.tokens, long.texts, long.calls) == ("512", 20, 50)
    for band in (short, long):
        assert 0 < band.p50_ms <= band.p99_ms


def test_without_a_text_in_the_band_nothing_is_measured(encoder):
    """The error says which lengths are wanted."""
    with pytest.raises(ValueError, match=r"1 texts.*20 to 60 tokens"):
        latency(encoder, ["too short"])


def test_waiting_texts_are_encoded_together():
    """Texts per second of groups, beside those of single calls."""
    encoder = SlowEncoder()
    found = throughput(encoder, lambda text: time.sleep(0.01), ["text"] * 20, waiting=8)
    assert set(encoder.sizes) == {8, 4}
    assert 3 < found.ratio < 12  # 20 calls against 3


def test_the_ratio_is_of_texts_per_second():
    """A ratio above one: together is faster."""
    assert Throughput(together=900, one_by_one=300).ratio == 3


def test_a_missing_comparison_is_named(monkeypatch, tmp_path):
    """Without sentence-transformers the error says how to get it."""
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # as if it were not installed

    with pytest.raises(EncoderError, match="pip install --no-deps sentence-transformers"):
        sentence_transformers_encode(tmp_path, 1)
