"""Examples -> training, validation and test, so that nothing stands on two sides.

Rule: rows that share a group or a prompt stay together, and chance is drawn from their names: in
all but the smallest files, a row that is tested on is so again when rows were added.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from lab.datasets.draw import draw
from lab.specialists.niches.niche import Example, Split

_HELD_OUT_SHARE = 0.1
_LEAST_HELD_OUT = 5
"""Rows. Of a small file chance alone might hold out none."""


def key_of(prompt: str) -> str:
    """The same for prompts that differ in letter case and white space alone."""
    return " ".join(prompt.casefold().split())


def split(examples: Sequence[Example], held_out: Sequence[Split]) -> dict[Split, list[Example]]:
    """Holds out a tenth of the rows for each named split; the others are to train.

    Args:
        examples: any number, in any order; every split keeps the order.
        held_out: splits besides `train`, none for all to train.
    """
    together = _together(examples)
    sizes = Counter(together)
    waiting = deque(sorted(sizes, key=lambda name: (draw(name, "split"), name)))
    side: dict[str, Split] = {}
    for place, part in enumerate(held_out, start=1):
        rows = 0
        while waiting and (
            draw(waiting[0], "split") < place * _HELD_OUT_SHARE or rows < _LEAST_HELD_OUT
        ):
            name = waiting.popleft()
            side[name] = part
            rows += sizes[name]
    found: dict[Split, list[Example]] = {part: [] for part in ("train", *held_out)}
    for example, name in zip(examples, together, strict=True):
        found[side.get(name, "train")].append(example)
    return found


def without(examples: Iterable[Example], held_out: Iterable[Example]) -> list[Example]:
    """The examples whose prompt and group occur in none of those held out."""
    prompts, groups = set(), set()
    for example in held_out:
        prompts.add(key_of(example.prompt))
        groups.add(example.group)
    groups.discard("")
    return [
        example
        for example in examples
        if example.group not in groups and key_of(example.prompt) not in prompts
    ]


def _together(examples: Sequence[Example]) -> list[str]:
    """A name for each example; those that a chain of shared groups and prompts joins have one."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]  # shortens the way for the next who asks
            name = parent[name]
        return name

    for example in examples:
        prompt = root(f"prompt {key_of(example.prompt)}")
        if example.group:
            group = root(f"group {example.group}")
            # The smaller name stands for both, whatever the order of the rows.
            parent[max(prompt, group)] = min(prompt, group)
    return [root(f"prompt {key_of(example.prompt)}") for example in examples]
