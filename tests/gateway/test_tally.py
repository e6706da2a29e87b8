"""`gateway.tally`: tokens and money."""

from deployments.protocol import Chunk, Usage
from deployments.spec import ModelSpec, Price
from gateway.tally import Costs, Tally, costs_of


def end(prompt, completion, seconds=0.5):
    return Chunk("x", 1, "stop", usage=Usage(prompt, completion, 2, seconds))


def test_a_prompt_counts_once_for_all_its_choices():
    """With n answers the prompt counts once and every answer's tokens and seconds count."""
    tally = Tally(4, 2)

    for index, prompt in enumerate([10, 10, 30, 30]):
        tally.add(index, end(prompt, 5))

    assert tally.usage == Usage(40, 20, 4, 2.0)


def test_a_cut_answer_counts_what_was_seen():
    """Without a usage the tokens that passed are counted."""
    tally = Tally(1, 1)

    tally.add(0, Chunk("abc", tokens=3))

    assert tally.usage == Usage(0, 3)


def test_costs_are_three_figures():
    """List price, baseline and attributed cost come from their own prices."""

    def spec(name, **price):
        return ModelSpec(name=name, model="m", engine="fake", price=Price(**price))

    small = spec("s", prompt_per_million_tokens=1, machine_per_hour=3600)
    big = spec("b", prompt_per_million_tokens=10, completion_per_million_tokens=20)

    costs = costs_of(Usage(1_000_000, 1_000_000, 0, 2.0), small, big)

    assert costs == Costs(1.0, 30.0, 2.0)
