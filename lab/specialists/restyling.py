"""Prompts of a data set as users might write them: with an instruction around them, or as typed.

What a prompt becomes is drawn from its text, so it is the same at every call.
"""

from collections.abc import Sequence

from lab.datasets.draw import draw

_INSTRUCTED_SHARE = 0.25
_LOWER_CASE_SHARE = 0.4


def with_instruction(instructions: Sequence[str], text: str) -> str:
    """The text; a share of all texts gets an instruction around it.

    The specialists were trained on the text alone, and so it comes most often.

    Args:
        instructions: what people write around such a text, which stands at `{}`.
        text: what the niche is about.
    """
    if draw(text, "instructed") >= _INSTRUCTED_SHARE:
        return text
    return instructions[int(draw(text, "instruction") * len(instructions))].format(text)


def as_typed(prompt: str) -> str:
    """The prompt; a share of all prompts is in lower case and has no mark at its end."""
    return prompt.lower().rstrip(".?!") if draw(prompt, "case") < _LOWER_CASE_SHARE else prompt
