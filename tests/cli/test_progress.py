"""What long commands say meanwhile."""

import numpy as np
import pytest

from cli.progress import EncoderWithBar, tell
from tests.router.fakes import HashingEncoder

TEXTS = [f"{'word ' * (number % 7)}text {number}" for number in range(23)]


def test_steps_are_told_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Results alone are on stdout."""
    tell("fitting")

    assert tuple(capsys.readouterr()) == ("", "fitting\n")


@pytest.mark.parametrize("step", [5, 100])
def test_an_encoder_with_a_bar_encodes_like_the_one_without(step: int) -> None:
    """Vectors and cuts come in the order of the texts, however many are encoded at a time."""
    encoder = HashingEncoder(max_words=6)

    found = EncoderWithBar(encoder, texts_per_step=step).encode(TEXTS)

    expected = encoder.encode(TEXTS)
    assert np.array_equal(found.vectors, expected.vectors)
    assert np.array_equal(found.truncated, expected.truncated)
    assert found.truncated.any()


def test_an_encoder_with_a_bar_is_the_same_encoder() -> None:
    """An artifact is bound to the one inside."""
    encoder = HashingEncoder()

    found = EncoderWithBar(encoder)

    assert (found.name, found.sha256) == (encoder.name, encoder.sha256)
