"""`deployments.message_content`: the words and the thoughts of an answer."""

import pytest

from deployments.message_content import is_read, thoughts_in, words_in


@pytest.mark.parametrize(
    ("content", "words", "thoughts"),
    [
        ("yes", "yes", ""),
        (["y", {"type": "text", "text": "es"}], "yes", ""),
        ([{"type": "thinking", "thinking": "hm"}, "yes"], "yes", "hm"),
        ([{"type": "thinking", "thinking": ["h", {"type": "text", "text": "m"}]}], "", "hm"),
        ([{"type": "thinking", "thinking": None}, 3, None], "", ""),
        (None, "", ""),
        ({"text": "yes"}, "", ""),
    ],
)
def test_words_and_thoughts_of_a_content(content, words, thoughts):
    """Of a text and of parts; what is neither has none."""
    assert (words_in(content), thoughts_in(content)) == (words, thoughts)


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (["a", {"text": "b"}, {"thinking": "c"}], True),
        ([], True),
        (["a", {"type": "image_url", "image_url": {"url": "u"}}], False),
        (["a", None], False),
        ([{"thinking": None}], False),
    ],
)
def test_a_part_of_another_kind_is_not_read(content, read):
    """Such as an image."""
    assert is_read(content) is read
