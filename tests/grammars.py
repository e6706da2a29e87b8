"""Whether an answer follows the grammar of a card, by llguidance itself."""

from llguidance import LLMatcher, LLTokenizer

from deployments.answer_grammar import grammar_for


def follows(grammar: str, answer: str, asked: str = "") -> bool:
    """Whether the whole answer to a message may be this one."""
    lark = grammar_for(grammar, [{"role": "user", "content": asked}])
    matcher = LLMatcher(LLTokenizer("byte"), LLMatcher.grammar_from_lark(lark), log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    return bool(matcher.consume_tokens([*answer.encode()]) and matcher.is_accepting())
