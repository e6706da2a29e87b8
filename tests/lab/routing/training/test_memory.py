"""The memory of a training: nothing is encoded twice."""

from lab.routing.training.memory import EncoderWithMemory
from tests.router.fakes import HashingEncoder


def test_a_text_is_encoded_once():
    """Texts that were given before, or twice, cost nothing; the vectors are the encoder's."""
    encoder = HashingEncoder(max_words=2)
    memory = EncoderWithMemory(encoder)
    memory.encode(["play a song", "select rows"])
    found = memory.encode(["select rows", "hello", "hello"])
    assert encoder.encoded == ["play a song", "select rows", "hello"]
    again = HashingEncoder(max_words=2).encode(["select rows", "hello", "hello"])
    assert (found.vectors == again.vectors).all()
    assert found.truncated.tolist() == [False, False, False]


def test_no_texts_have_no_vectors():
    """An empty list gives the encoder's own empty answer."""
    assert EncoderWithMemory(HashingEncoder()).encode([]).vectors.shape == (0, 64)


def test_it_stands_for_its_encoder():
    """Artifacts made through it are bound to the encoder behind it."""
    memory, encoder = EncoderWithMemory(HashingEncoder()), HashingEncoder()
    assert (memory.name, memory.sha256) == (encoder.name, encoder.sha256)
