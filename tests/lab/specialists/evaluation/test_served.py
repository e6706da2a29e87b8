"""Answers of a model on the engine that serves it."""

from collections.abc import Iterator

import pytest

from deployments.models.errors import ModelError
from deployments.protocol import Message
from lab.specialists.evaluation.plan import Weights
from lab.specialists.evaluation.served import ServedGenerator
from tests.deployments.tiny_gguf import save_tiny_gguf
from tests.deployments.tiny_model import save_tiny_model

CHATS = [[Message("user", f"question {letter}")] for letter in "abcde"]


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGenerator]:
    folder = tmp_path_factory.mktemp("served")
    reference = str(save_tiny_gguf(folder / "tiny.gguf"))
    # The tokenizer, with which loops are looked for, is another model's: only its letters count.
    weights = Weights(reference, save_tiny_model(folder / "tokenizer"))
    found = ServedGenerator(weights, "llama", folder, at_once=2, threads=1)
    yield found
    found.close()


def test_questions_are_answered_in_order(generator: ServedGenerator) -> None:
    """In batches of as many as are asked at once; the same each time."""
    batches = list(generator.answers(CHATS, 8))
    assert [[place for place, _ in batch] for batch in batches] == [[0, 1], [2, 3], [4]]
    texts = [answer.text for batch in batches for _, answer in batch]
    again = [answer.text for batch in generator.answers(CHATS, 8) for _, answer in batch]
    assert texts == again
    assert all(texts)


def test_an_answer_has_its_tokens_and_seconds(generator: ServedGenerator) -> None:
    """One that the limit ended is cut, and has that many."""
    ((_, answer),) = next(generator.answers(CHATS[:1], 5))
    assert (answer.cut, answer.answer_tokens) == (True, 5)
    assert answer.prompt_tokens > len("question a")
    assert answer.seconds > 0


def test_a_question_beyond_the_context_is_an_error(generator: ServedGenerator) -> None:
    """It would be graded as wrong; also where the question fits and the answer does not."""
    for letters in (3000, 450):
        with pytest.raises(ModelError, match="context"):
            list(generator.answers([[Message("user", "a" * letters)]], 400))
