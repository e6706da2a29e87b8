"""Prompts as users might write them: the text stays whole, and what becomes of it never changes."""

from lab.specialists.restyling import as_typed, with_instruction

TEXTS = [f"Text {number} {{}}." for number in range(1000)]
INSTRUCTIONS = ("Do it: {}", "{}\nDo it.", "Please: {}")


def test_a_minority_of_texts_has_an_instruction() -> None:
    """The text is always whole and most often alone, and every instruction occurs."""
    made = [with_instruction(INSTRUCTIONS, text) for text in TEXTS]

    pairs = list(zip(TEXTS, made, strict=True))
    assert all(text in found for text, found in pairs)
    assert 0.2 < sum(text != found for text, found in pairs) / 1000 < 0.3
    assert {found.replace(text, "{}") for text, found in pairs} == {*INSTRUCTIONS, "{}"}


def test_a_share_is_typed_without_capitals_and_full_stop() -> None:
    """The others are left as they are; the same ones at every call."""
    made = [as_typed(text) for text in TEXTS]

    assert set(made) <= {*TEXTS, *(text.lower().rstrip(".") for text in TEXTS)}
    assert 0.35 < sum(text != found for text, found in zip(TEXTS, made, strict=True)) / 1000 < 0.45
    assert made == [as_typed(text) for text in TEXTS]
