"""A task that a tiny model learns in seconds: every question has one of two answers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.specialists.niche import Example, Niche, Split


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
