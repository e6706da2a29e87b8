"""Prompts drawn at random."""

from collections import Counter
from random import Random

import pytest
from scipy import stats

from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.prompts import FOLDER, PromptMix, PromptSet, read_prompts

EVERY = {path.stem: 1.0 for path in FOLDER.glob("*.yaml") if path.stem != "padding"}


def test_domains_are_drawn_by_their_shares() -> None:
    """Whatever they add up to."""
    prompts, random = read_prompts({"sql": 3.0, "tools": 1.0}), Random(2)

    drawn = Counter(prompts.draw(random).domain for _ in range(4000))

    assert stats.binomtest(drawn["sql"], 4000, 0.75).pvalue > 0.001


@pytest.mark.parametrize("domain", sorted(EVERY))
def test_a_domain_has_many_prompts(domain) -> None:
    """Few are asked twice, and none has a gap in it."""
    prompts, random = read_prompts({domain: 1.0}), Random(2)

    texts = {prompts.draw(random).text for _ in range(100)}

    assert len(texts) > 60
    assert not any("{" in text or "}" in text for text in texts)


def test_the_same_seed_draws_the_same_prompts() -> None:
    """So that two models are asked the same."""
    prompts = read_prompts(EVERY)

    first, second = (
        [prompts.draw(random) for _ in range(50)] for random in (Random("a"), Random("a"))
    )

    assert first == second


def test_a_long_prompt_has_its_words_before_it() -> None:
    """As many as it was told to, and then the prompt itself."""
    prompts = read_prompts({"support": 1.0}, (150, 160))

    *padding, text = prompts.draw(Random(3)).text.split("\n\n")

    assert 150 <= len(padding[0].split()) <= 160
    assert text


def test_a_domain_without_prompts_is_named() -> None:
    """With those that have some."""
    with pytest.raises(LoadTestError, match=r"law.*biomed, general"):
        read_prompts({"law": 1.0})


def test_a_template_needs_its_words() -> None:
    """A gap that nothing fills is found at the start."""
    with pytest.raises(ValueError, match="place"):
        PromptSet(domain="x", max_tokens=3, templates=("where is {place}?",))


def test_a_file_that_is_no_prompts_is_named(tmp_path) -> None:
    """With its path."""
    (tmp_path / "law.yaml").write_text("domain: law")

    with pytest.raises(LoadTestError, match=r"law\.yaml"):
        read_prompts({"law": 1.0}, folder=tmp_path)


def test_prompts_say_how_long_an_answer_may_be() -> None:
    """Each domain its own length."""
    made = PromptSet(domain="x", max_tokens=7, templates=("hello",))

    assert PromptMix({"x": made}, {"x": 1.0}).draw(Random(0)).max_tokens == 7
