"""Rewrites prompts of a data set as users might write them: with an instruction, or as typed.

The style is drawn from the prompt's text, so it is deterministic.
"""

from collections.abc import Sequence

from lab.datasets.draw import draw

_INSTRUCTED_SHARE = 0.25
_LOWER_CASE_SHARE = 0.4


def with_instruction(instructions: Sequence[str], text: str) -> str:
    """Adds an instruction to a share of all texts.

    Most texts get none, since the specialists were trained without.

    Args:
        instructions: templates with `{}` for the text.
        text: the niche's text.
    """
    if draw(text, "instructed") >= _INSTRUCTED_SHARE:
        return text
    return instructions[int(draw(text, "instruction") * len(instructions))].format(text)


def as_typed(prompt: str) -> str:
    """Puts a share of all prompts into lower case, without a final mark."""
    return prompt.lower().rstrip(".?!") if draw(prompt, "case") < _LOWER_CASE_SHARE else prompt
