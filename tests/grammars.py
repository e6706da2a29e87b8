"""Whether an answer follows the grammar of a card, by llguidance itself."""

import pytest

from deployments.answer_grammar import grammar_for


def follows(grammar: str, answer: str, asked: str = "") -> bool:
    """Whether the whole answer to a message may be this one; skips a test without llguidance."""
    llguidance = pytest.importorskip("llguidance")
    lark = grammar_for(grammar, [{"role": "user", "content": asked}])
    matcher = llguidance.LLMatcher(
        llguidance.LLTokenizer("byte"), llguidance.LLMatcher.grammar_from_lark(lark), log_level=0
    )
    assert not matcher.is_error(), matcher.get_error()
    return bool(matcher.consume_tokens([*answer.encode()]) and matcher.is_accepting())
