"""Greedy answers of a tiny model, and what is told of each."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from deployments.models.errors import ModelError
from deployments.protocol import Message
from lab.specialists.evaluation.answers import GeneratedAnswer
from lab.specialists.evaluation.generate import Generator
from tests.deployments.chain_model import save_chain_model
from tests.deployments.tiny_model import save_tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


def make_generator(folder: Path, batch_size: int = 16) -> Generator:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return Generator(model, AutoTokenizer.from_pretrained(folder), batch_size)


def chat(content: str) -> tuple[Message, ...]:
    return (Message("system", "answer."), Message("user", content))


def asked(generator: Generator, contents: Sequence[str], limit: int = 12) -> list[GeneratedAnswer]:
    """The answers in the questions' order."""
    batches = generator.answers([chat(content) for content in contents], limit)
    placed = [pair for batch in batches for pair in batch]
    return [answer for _, answer in sorted(placed, key=lambda pair: pair[0])]


QUESTIONS = ("a long question, long enough?", "hm", "what is it?", "say: yes", "b", "why, why?")


def test_an_answer_does_not_depend_on_what_shares_its_batch(folder: Path) -> None:
    """Padding changes nothing, and each answer belongs to its own question."""
    together = asked(make_generator(folder), QUESTIONS)
    alone = [asked(make_generator(folder), [question])[0] for question in QUESTIONS]

    assert [of.text for of in together] == [of.text for of in alone]
    assert len({of.text for of in together}) > 1


def test_tokens_are_counted_without_padding_and_without_the_end(folder: Path) -> None:
    """A token per letter here, so lengths can be read off."""
    for question, answer in zip(QUESTIONS, asked(make_generator(folder), QUESTIONS), strict=True):
        assert answer.prompt_tokens == len(f"s:answer.!u:{question}!a:")
        assert answer.answer_tokens == len(answer.text)


def test_an_answer_is_cut_where_the_limit_ended_it(folder: Path) -> None:
    """And not where the model came to an end within the limit."""
    generator = make_generator(folder)
    for short, long in zip(
        asked(generator, QUESTIONS, 3), asked(generator, QUESTIONS, 24), strict=True
    ):
        assert short.cut == (long.answer_tokens >= 3)
        assert long.text.startswith(short.text)


def test_a_model_that_goes_round_is_seen_to_loop(tmp_path: Path) -> None:
    """After `c` comes `a` again, until the limit."""
    folder = save_chain_model(tmp_path, "abc")
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    first, last = tokenizer.convert_tokens_to_ids(["a", "c"])
    with torch.no_grad():
        model.lm_head.weight[first, last] = 99

    (answer,) = asked(Generator(model, tokenizer), ["hm"], 14)

    assert (answer.text, answer.cut, answer.loops) == ("abcabcabcabcab", True, True)


def test_an_answer_that_ends_is_neither_cut_nor_a_loop(tmp_path: Path) -> None:
    """The end of the turn is no part of it."""
    folder = save_chain_model(tmp_path, "yes")

    (answer,) = asked(make_generator(folder), ["hm"])

    assert (answer.text, answer.answer_tokens) == ("yes", 3)
    assert not answer.cut
    assert not answer.loops


def test_the_longest_questions_come_first(folder: Path) -> None:
    """What does not fit in memory fails at once, and like lengths share a batch."""
    generator = make_generator(folder, batch_size=2)

    places = [
        [place for place, _ in batch]
        for batch in generator.answers([chat(question) for question in QUESTIONS], 2)
    ]

    lengths = [len(QUESTIONS[place]) for batch in places for place in batch]
    assert [len(batch) for batch in places] == [2, 2, 2]
    assert lengths == sorted(lengths, reverse=True)


def test_a_batchs_time_is_shared_by_its_rows(folder: Path) -> None:
    """Every row of a batch has the same seconds, and some."""
    answers = asked(make_generator(folder), QUESTIONS, 4)

    assert len({of.seconds for of in answers}) == 1
    assert answers[0].seconds > 0


def test_a_question_that_leaves_no_room_for_its_answer_is_refused(folder: Path) -> None:
    """The tiny model's context is 512 tokens."""
    with pytest.raises(ModelError, match="512"):
        asked(make_generator(folder), ["a" * 490], 30)


def test_nothing_asked_is_nothing_answered(folder: Path) -> None:
    """No batch at all."""
    assert asked(make_generator(folder), []) == []


def test_a_model_without_a_chat_format_is_refused(folder: Path) -> None:
    """It cannot be asked as the others are."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = None

    with pytest.raises(ModelError, match="chat_template"):
        Generator(AutoModelForCausalLM.from_pretrained(folder), tokenizer)
