"""Examples -> batches: what the loss covers, and that no row is lost or taken twice."""

import copy
import json
import random
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from lab.specialists.errors import RecipeError
from lab.specialists.niche import Example
from lab.specialists.training.batches import (
    IGNORED,
    Batch,
    Encoded,
    batches,
    draw_examples,
    encode,
)
from lab.specialists.training.run import answer_logits
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import calling_niche

PAD = 0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenizer(base: Path):
    return AutoTokenizer.from_pretrained(base)


def rows(*lengths: int) -> list[Encoded]:
    """Rows of these lengths with ids of their own; the last two tokens are the answer."""
    return [
        Encoded(tuple(range(100 * n + 1, 100 * n + 1 + length)), length - 2)
        for n, length in enumerate(lengths, start=1)
    ]


def epoch(encoded: list[Encoded], size: int = 4, seed: int = 0) -> list[Batch]:
    return list(batches(encoded, size, PAD, random.Random(seed)))


def unpadded(batch: Batch) -> list[tuple[int, ...]]:
    return [
        tuple(ids[mask.bool()].tolist()) for ids, mask in zip(batch.ids, batch.mask, strict=True)
    ]


def test_a_base_without_a_chat_format_is_refused(tokenizer) -> None:
    """It has no place for a system prompt, and no end of a turn."""
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = None

    with pytest.raises(RecipeError, match="chat_template"):
        encode([Example("hello", "yes")], bare, "be brief", 100)


def test_an_example_is_the_chat_and_the_answer_to_its_end(tokenizer) -> None:
    """The ids are the model's own chat format, then the answer, then the end of the turn."""
    (encoded,) = encode([Example("hello", "yes")], tokenizer, "be brief", 100)

    assert tokenizer.decode(encoded.ids[: encoded.answer_start]) == "s:be brief!u:hello!a:"
    assert tokenizer.decode(encoded.ids[encoded.answer_start : -1]) == "yes"
    assert encoded.ids[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize(
    "empty",
    [
        pytest.param(Example("", "yes"), id="no prompt"),
        pytest.param(Example("hi", ""), id="no answer"),
        pytest.param(Example(" \n", "yes"), id="a blank prompt"),
        pytest.param(Example("hi", " "), id="a blank answer"),
    ],
)
def test_an_empty_example_is_refused_by_number(tokenizer, empty: Example) -> None:
    """Nothing can be learnt from half a row: the error says which it is."""
    with pytest.raises(RecipeError, match="example 2"):
        encode([Example("hi", "yes"), empty], tokenizer, "", 100)


def test_a_long_example_is_refused_by_number(tokenizer) -> None:
    """A row over the limit names its length, the limit and the remedy; one at the limit passes."""
    whole = len("s:!u:hi!a:") + len("yes") + 1
    assert encode([Example("hi", "yes")], tokenizer, "", whole)

    named = rf"example 2: {whole + 1} .*max_length_tokens={whole}"
    with pytest.raises(RecipeError, match=named):
        encode([Example("hi", "yes"), Example("hi!", "yes")], tokenizer, "", whole)


def test_a_row_of_a_file_is_refused_by_its_place(tokenizer) -> None:
    """Whatever the order of training, the place is that of the file; all faults are told."""
    bad = [Example("hi" * n, "yes", origin=f"mine.jsonl, row {n}") for n in (9, 3, 7)]

    with pytest.raises(RecipeError) as refused:
        encode([*bad, Example("hi", "")], tokenizer, "", 20)

    said = str(refused.value).splitlines()
    assert [line.split(":")[0] for line in said] == [
        "mine.jsonl, row 9",
        "mine.jsonl, row 7",
        "example 4",
    ]


def test_every_row_comes_once_an_epoch() -> None:
    """Batches hold every row whole and once, padding apart."""
    encoded = rows(5, 30, 7, 16, 17, 9, 40, 3, 21)

    found = Counter(ids for batch in epoch(encoded) for ids in unpadded(batch))

    assert found == Counter(row.ids for row in encoded)


def test_the_loss_covers_the_answers_alone() -> None:
    """Each position predicts the token after it, and those tokens are the answers."""
    encoded = rows(5, 30, 7, 16, 17, 9)
    answers = Counter(token for row in encoded for token in row.ids[row.answer_start :])
    found: Counter[int] = Counter()

    for batch in epoch(encoded):
        following = batch.ids.flatten().roll(-1)[batch.positions]
        counted = batch.targets != IGNORED
        assert following[counted].tolist() == batch.targets[counted].tolist()
        found.update(batch.targets[counted].tolist())

    assert found == answers


def test_padding_is_masked_and_shapes_are_few() -> None:
    """Widths and target counts are rounded up, so that few shapes occur."""
    for batch in epoch(rows(*range(3, 60)), size=8):
        assert batch.ids.shape == batch.mask.shape
        assert batch.ids.shape[1] % 8 == 0
        assert len(batch.positions) == len(batch.targets)
        assert len(batch.targets) % 64 == 0
        assert set(batch.ids[batch.mask == 0].tolist()) <= {PAD}


def test_the_order_is_the_generators() -> None:
    """The same seed gives the same epoch, another seed another."""
    encoded = rows(*range(3, 40))

    first, again, other = (
        [unpadded(batch) for batch in epoch(encoded, seed=seed)] for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


TOOLS = json.dumps([{"type": "function", "function": {"name": "f"}}])
CALLING = [
    Example(prompt, answer, tools=TOOLS)
    for prompt, answer in [("abc", "yes"), ("abcd", "no"), ("hello", "yes, or no"), ("abc", "no")]
]


def loss(model, encoded: list[Encoded], size: int) -> torch.Tensor:
    """The sum over all answers' tokens."""
    losses = [
        functional.cross_entropy(
            answer_logits(model, batch), batch.targets, ignore_index=IGNORED, reduction="sum"
        )
        for batch in epoch(encoded, size)
    ]
    return torch.stack(losses).sum()


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_examples_that_share_a_beginning_learn_as_if_alone(base, tokenizer, attention) -> None:
    """It is read once; the loss and its gradient are those of the same rows one by one."""
    model = AutoModelForCausalLM.from_pretrained(base, attn_implementation=attention)
    encoded = encode([*CALLING, Example("alone", "yes")], tokenizer, "be brief", 1000)
    alone = [Encoded(row.ids, row.answer_start) for row in encoded]
    found = []
    for rows_, size in ((encoded, 16), (alone, 1)):
        model.zero_grad()
        total = loss(model, rows_, size)
        total.backward()
        gradient = model.model.layers[0].self_attn.q_proj.weight.grad
        found.append((total.detach(), gradient.clone()))

    ((together, its_gradient), (apart, other_gradient)) = found
    assert sum(batch.ids.numel() for batch in epoch(encoded, 16)) < sum(
        map(len, (r.ids for r in alone))
    )
    torch.testing.assert_close(together, apart)
    torch.testing.assert_close(its_gradient, other_gradient, rtol=1e-3, atol=1e-4)


def test_at_most_eight_share_a_beginning_and_a_batch_has_no_more_rows(tokenizer) -> None:
    """A batch is as many rows as the settings say, however many sequences they are in."""
    rows_ = [Example(f"say {letter}", "yes", tools=TOOLS) for letter in "abcdefghijklmnopqrst"]
    found = epoch(encode(rows_, tokenizer, "", 1000), 16)

    rows_of = [[int(sequence.max()) for sequence in batch.examples] for batch in found]
    assert sorted(rows for batch in rows_of for rows in batch) == [4, 8, 8]
    assert sorted(map(sum, rows_of)) == [8, 12]


def test_rows_that_call_functions_come_on_top(tmp_path: Path) -> None:
    """Only where a stage asks for them; the number of the others is the same."""
    drawn = draw_examples(calling_niche(), "train", tmp_path, 5, random.Random(0), functions=True)
    others = draw_examples(calling_niche(), "train", tmp_path, 5, random.Random(0))

    assert drawn[:5] == others
    assert [bool(row.tools) for row in drawn] == [False] * 5 + [True] * 4
    assert drawn[5].origin == "train example of calls 1"
