"""Turns examples into padded token batches whose loss covers only the answers."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from lab.specialists.chat import chat_text
from lab.specialists.errors import RecipeError
from lab.specialists.niche import Example, Niche, Split
from lab.statistics.jsonl import format_faults

IGNORED = -100
"""The target of a padded position, which cross-entropy ignores."""

# CPU matrix kernels are compiled and cached per shape: few shapes save time and memory.
_WIDTH_STEP = 8
_TARGET_STEP = 64

_TOGETHER = 8
"""The most rows that share the beginning of a sequence."""


@dataclass(frozen=True)
class Encoded:
    """One example as token ids; `ids[answer_start:]` is the answer with its end-of-turn token.

    Examples with the same `beginning` that is not empty begin alike, for many tokens.
    """

    ids: tuple[int, ...]
    answer_start: int
    beginning: str = ""


@dataclass(frozen=True)
class Batch:
    """Right-padded ids and mask, both (sequences, tokens), and the answers' flat positions.

    A sequence holds an example, or a beginning and the examples that share it, one after the other:
    each reads the beginning and itself, as if it stood alone.

    Attributes:
        ids, mask: of the tokens.
        examples: whose each token is; 0: of the beginning, or of the only one.
        places: of the tokens in their examples.
        positions: in the flattened (sequences * tokens) hidden states that predict `targets`.
        targets: those of `IGNORED` are padding.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    examples: torch.Tensor
    places: torch.Tensor
    positions: torch.Tensor
    targets: torch.Tensor

    def readable(self) -> torch.Tensor | None:
        """Which token reads which, (sequences, tokens, tokens); None: all those before it."""
        if not self.examples.any():
            return None
        width = self.ids.shape[1]
        own = self.examples[:, :, None] == self.examples[:, None, :]
        shared = (self.examples == 0)[:, None, :]
        before = torch.ones(width, width, dtype=torch.bool).tril()
        return before & (own | shared) & self.mask.bool()[:, None, :]


@dataclass(frozen=True)
class TrainingSequence:
    """Examples of which the first `shared` tokens are the same."""

    rows: tuple[Encoded, ...]
    shared: int = 0

    @property
    def length(self) -> int:
        """In tokens."""
        return self.shared + sum(len(row.ids) - self.shared for row in self.rows)


def draw_examples(
    niche: Niche,
    part: Split,
    data_dir: Path,
    count: int | None,
    rng: random.Random,
    *,
    functions: bool = False,
) -> list[Example]:
    """`count` of a split's examples in random order, or all; each has an `origin`.

    Args:
        niche: whose examples.
        part: the split.
        data_dir: the folder of the data sets.
        count: None: all.
        rng: gives the order.
        functions: whether those that call functions come on top.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    found = _with_origins(niche.examples(part, data_dir), f"{part} example")
    rng.shuffle(found)
    found = found if count is None else found[:count]
    if functions and niche.functions is not None:
        calling = niche.functions.examples(part, data_dir)
        found += _with_origins(calling, f"{part} example of calls")
    return found


def _with_origins(examples: Iterator[Example], kind: str) -> list[Example]:
    return [
        example if example.origin else replace(example, origin=f"{kind} {number}")
        for number, example in enumerate(examples, start=1)
    ]


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
        {"role": "system", "content": example.system or system_prompt},
        {"role": "user", "content": example.prompt},
    ]
    text = chat_text(tokenizer, chat, json.loads(example.tools or "[]"))
    start = tokenizer(text, add_special_tokens=False)["input_ids"]
    answer = tokenizer(example.answer, add_special_tokens=False)["input_ids"]
    beginning = example.tools and f"{example.system}\n{example.tools}"
    return Encoded((*start, *answer, tokenizer.eos_token_id), len(start), beginning)


def _rounded(count: int, step: int) -> int:
    return -(-count // step) * step


def _sequences(encoded: Sequence[Encoded]) -> list[TrainingSequence]:
    """The examples in sequences, in the order of each one's first."""
    alike: dict[str, list[Encoded]] = {}
    for number, row in enumerate(encoded):
        alike.setdefault(row.beginning or f"{number}", []).append(row)
    return [
        _sequence(rows[at : at + _TOGETHER])
        for rows in alike.values()
        for at in range(0, len(rows), _TOGETHER)
    ]


def _sequence(rows: Sequence[Encoded]) -> TrainingSequence:
    if len(rows) == 1:
        return TrainingSequence(tuple(rows))
    starts = [row.ids[: row.answer_start] for row in rows]
    alike = takewhile(lambda column: len(set(column)) == 1, zip(*starts, strict=False))
    return TrainingSequence(tuple(rows), len(list(alike)))


def collate(sequences: Sequence[TrainingSequence], pad_id: int) -> Batch:
    """The sequences as one batch."""
    width = _rounded(max(sequence.length for sequence in sequences), _WIDTH_STEP)
    ids = torch.full((len(sequences), width), pad_id)
    mask, examples, places = (torch.zeros_like(ids) for _ in range(3))
    positions: list[int] = []
    targets: list[int] = []
    for index, sequence in enumerate(sequences):
        mask[index, : sequence.length] = 1
        shared = end = sequence.shared
        ids[index, :shared] = torch.tensor(sequence.rows[0].ids[:shared])
        places[index, :shared] = torch.arange(shared)
        for number, row in enumerate(sequence.rows, start=1 if shared else 0):
            start, end = end, end + len(row.ids) - shared
            ids[index, start:end] = torch.tensor(row.ids[shared:])
            examples[index, start:end] = number
            places[index, start:end] = torch.arange(shared, len(row.ids))
            # The hidden state at t predicts the token at t + 1.
            at = [*range(shared), *range(start, end)]
            positions += [index * width + at[t - 1] for t in range(row.answer_start, len(row.ids))]
            targets += row.ids[row.answer_start :]
    padding = _rounded(len(targets), _TARGET_STEP) - len(targets)
    positions.extend([0] * padding)
    targets.extend([IGNORED] * padding)
    return Batch(ids, mask, examples, places, torch.tensor(positions), torch.tensor(targets))


def batches(
    encoded: Sequence[Encoded], batch_size: int, pad_id: int, rng: random.Random
) -> Iterator[Batch]:
    """One epoch in random order: those of `in_batches`."""
    for sequences in in_batches(encoded, batch_size, rng):
        yield collate(sequences, pad_id)


def in_batches(
    encoded: Sequence[Encoded], batch_size: int, rng: random.Random
) -> list[list[TrainingSequence]]:
    """The sequences of one epoch's batches in random order, with those of similar length together
    to reduce padding.

    Args:
        encoded: the examples.
        batch_size: the most examples of a batch, but for a sequence that has more.
        rng: gives the order.
    """
    sequences = _sequences(encoded)
    order = list(range(len(sequences)))
    rng.shuffle(order)
    pool = batch_size * 50
    found: list[list[TrainingSequence]] = []
    for start in range(0, len(order), pool):
        part = [sequences[index] for index in order[start : start + pool]]
        found += _chunks(sorted(part, key=lambda sequence: sequence.length), batch_size)
    rng.shuffle(found)
    return found


def _chunks(
    sequences: Sequence[TrainingSequence], batch_size: int
) -> Iterator[list[TrainingSequence]]:
    chunk: list[TrainingSequence] = []
    for sequence in sequences:
        if chunk and sum(len(of.rows) for of in (*chunk, sequence)) > batch_size:
            yield chunk
            chunk = []
        chunk.append(sequence)
    if chunk:
        yield chunk
