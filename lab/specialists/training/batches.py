"""Turns examples into padded token batches whose loss covers only the answers."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from lab.specialists.errors import RecipeError
from lab.specialists.niche import Example, Niche, Split
from lab.statistics.jsonl import format_faults

IGNORED = -100
"""The target of a padded position, which cross-entropy ignores."""

# CPU matrix kernels are compiled and cached per shape: few shapes save time and memory.
_WIDTH_STEP = 8
_TARGET_STEP = 64


@dataclass(frozen=True)
class Encoded:
    """One example as token ids; `ids[answer_start:]` is the answer with its end-of-turn token."""

    ids: tuple[int, ...]
    answer_start: int


@dataclass(frozen=True)
class Batch:
    """Right-padded ids and mask, both (examples, tokens), and the answers' flat positions.

    `positions` indexes the flattened (examples * tokens) hidden states that predict `targets`;
    targets of `IGNORED` are padding.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    positions: torch.Tensor
    targets: torch.Tensor


def draw_examples(
    niche: Niche, part: Split, data_dir: Path, count: int | None, rng: random.Random
) -> list[Example]:
    """`count` of a split's examples in random order, or all; each has an `origin`.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    found = [
        example if example.origin else replace(example, origin=f"{part} example {number}")
        for number, example in enumerate(niche.examples(part, data_dir), start=1)
    ]
    rng.shuffle(found)
    return found if count is None else found[:count]


def encode(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    system_prompt: str,
    max_length_tokens: int,
) -> list[Encoded]:
    """Token ids of every example in the base model's own chat format.

    Raises:
        RecipeError: the base has no chat format, or examples are empty or too long; each has a line
            with its `origin`, or else its number, up to a number of lines.
    """
    if not tokenizer.chat_template:
        raise RecipeError(
            f"the base model {tokenizer.name_or_path} has no chat format (chat_template); name one "
            "that was made to chat, such as an instruct model"
        )
    encoded = []
    faults = []
    for number, example in enumerate(examples, start=1):
        where = example.origin or f"example {number}"
        if not example.prompt.strip() or not example.answer.strip():
            faults.append(f"{where}: the prompt or the answer is empty")
            continue
        row = _encoded(example, tokenizer, system_prompt)
        if len(row.ids) > max_length_tokens:
            faults.append(
                f"{where}: {len(row.ids)} tokens, more than "
                f"max_length_tokens={max_length_tokens}; shorten it or raise the limit"
            )
        encoded.append(row)
    if faults:
        raise RecipeError(format_faults(faults))
    return encoded


def _encoded(example: Example, tokenizer: PreTrainedTokenizerBase, system_prompt: str) -> Encoded:
    chat = [
        {"role": "system", "content": system_prompt},
        {"role": "user", "content": example.prompt},
    ]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    start = tokenizer(text, add_special_tokens=False)["input_ids"]
    answer = tokenizer(example.answer, add_special_tokens=False)["input_ids"]
    return Encoded((*start, *answer, tokenizer.eos_token_id), len(start))


def _rounded(count: int, step: int) -> int:
    return -(-count // step) * step


def _collate(rows: Sequence[Encoded], pad_id: int) -> Batch:
    width = _rounded(max(len(row.ids) for row in rows), _WIDTH_STEP)
    ids = torch.full((len(rows), width), pad_id)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    positions: list[int] = []
    targets: list[int] = []
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = torch.tensor(row.ids)
        mask[index, : len(row.ids)] = 1
        # The hidden state at t predicts the token at t + 1.
        positions.extend(index * width + t for t in range(row.answer_start - 1, len(row.ids) - 1))
        targets.extend(row.ids[row.answer_start :])
    padding = _rounded(len(targets), _TARGET_STEP) - len(targets)
    positions.extend([0] * padding)
    targets.extend([IGNORED] * padding)
    return Batch(ids, mask, torch.tensor(positions), torch.tensor(targets))


def batches(
    encoded: Sequence[Encoded], batch_size: int, pad_id: int, rng: random.Random
) -> Iterator[Batch]:
    """One epoch in random order, with examples of similar length together to reduce padding."""
    order = list(range(len(encoded)))
    rng.shuffle(order)
    pool = batch_size * 50
    chunks: list[list[int]] = []
    for start in range(0, len(order), pool):
        part = sorted(order[start : start + pool], key=lambda index: len(encoded[index].ids))
        chunks.extend(part[at : at + batch_size] for at in range(0, len(part), batch_size))
    rng.shuffle(chunks)
    for chunk in chunks:
        yield _collate([encoded[index] for index in chunk], pad_id)
