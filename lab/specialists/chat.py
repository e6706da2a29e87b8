"""A chat as the engines that serve it write it."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from deployments.tagged_calls import calling_of, prompted


def chat_text(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[dict[str, Any]], tools: Sequence[Any]
) -> str:
    """A chat up to the beginning of its answer, by the model's template.

    Args:
        tokenizer: has the template.
        messages: OpenAI's.
        tools: OpenAI's too; a template that knows none gets them as the engines write them.
    """
    shown = list(tools)
    if shown and calling_of(str(tokenizer.chat_template)) == "prompted":
        messages, shown = prompted(messages, shown), []
    text = tokenizer.apply_chat_template(
        list(messages), tools=shown or None, tokenize=False, add_generation_prompt=True
    )
    return str(text)
