"""A task that a tiny model learns in seconds: every question has one of two answers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from deployments.tagged_calls import call_text
from lab.specialists.niche import Example, FunctionSet, Niche, Split


def toy_examples(count: int) -> list[Example]:
    """Half of the prompts ask for `yes`, half for `no`, in words of the tiny model's letters."""
    letters = "abcdefghijklmnop"
    return [
        Example(f"{'say' if n % 2 else 'deny'} {letters[n % 16]}{letters[n // 16 % 16]}", answer)
        for n in range(count)
        for answer in (("no", "yes")[n % 2],)
    ]


def examples(split: Split, data_dir: Path) -> Iterator[Example]:
    """The toy rows of a split; no files are read."""
    del data_dir
    rows = toy_examples(48)
    yield from {"train": rows[:24], "validation": rows[24:32], "test": rows[32:]}[split]


def make_niche(train: Sequence[Example] | None = None) -> Niche:
    """The niche; `train` replaces its training rows."""

    def chosen(split: Split, data_dir: Path) -> Iterator[Example]:
        if split == "train" and train is not None:
            return iter(train)
        return examples(split, data_dir)

    return Niche("toy", "say it.", (), ("text",), 8, chosen)


def _tools(*names: str) -> tuple[str, ...]:
    return tuple(
        json.dumps({"type": "function", "function": {"name": name, "parameters": {}}})
        for name in names
    )


def _calls(names: Sequence[str]) -> Iterator[Example]:
    tools = f"[{', '.join(_tools(*names))}]"
    for name in names:
        for prompt in (name, f"please {name}"):
            yield Example(prompt, call_text(name, "{}"), name, tools=tools)


def calling_niche() -> Niche:
    """The niche, with two functions that it learns to call and two that it never sees."""
    functions = FunctionSet(
        datasets=(),
        examples=lambda split, data_dir: _calls(("say", "deny")),
        unseen=lambda data_dir: _calls(("walk", "run")),
        graders=("calls", "arguments"),
        known=_tools("say", "deny"),
        max_answer_tokens=40,
    )
    return replace(make_niche(), functions=functions)
