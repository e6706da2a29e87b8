"""`gateway.tally`: tokens and money."""

import pytest

from deployments.protocol import Chunk, Usage
from deployments.spec import ModelSpec, Price
from gateway.tally import Costs, Tally, costs_of


def test_the_models_own_usage_counts():
    """It comes with the last chunk, whatever the chunks before it said."""
    tally = Tally()

    tally.add(Chunk(b"{}", tokens=2, finish_reasons=((1, "length"),)))
    tally.add(Chunk(b"{}", tokens=1, finish_reasons=((0, "stop"),), usage=Usage(40, 20, 4, 2.0)))

    assert tally.usage == Usage(40, 20, 4, 2.0)
    assert tally.finish_reasons == ("stop", "length")


def test_a_cut_answer_counts_what_was_seen():
    """Without a usage the tokens that passed are counted, and the prompt's if they are known."""
    tally = Tally()

    tally.add(Chunk(b"{}", tokens=2, prompt_tokens=7))
    tally.add(Chunk(b"{}", tokens=1))

    assert tally.usage == Usage(7, 3)


def test_costs_are_three_figures():
    """List price, baseline and attributed cost come from their own prices."""

    def spec(name, **price):
        return ModelSpec(name=name, model="m", engine="fake", price=Price(**price))

    small = spec("s", prompt_per_million_tokens=1, machine_per_hour=3600)
    big = spec("b", prompt_per_million_tokens=10, completion_per_million_tokens=20)

    costs = costs_of(Usage(1_000_000, 1_000_000, 0, 2.0), small, big)

    assert costs == Costs(1.0, 30.0, 2.0)


def test_cached_tokens_cost_less_at_both():
    """The baseline has its own price of them."""

    def spec(name, cached):
        price = Price(prompt_per_million_tokens=10, cached_prompt_per_million_tokens=cached)
        return ModelSpec(name=name, model="m", engine="fake", price=price)

    costs = costs_of(Usage(1_000_000, 0, 500_000), spec("s", 1), spec("b", None))

    assert (costs.list_price, costs.baseline) == (5.5, 10.0)


@pytest.mark.parametrize(
    ("chunks", "usage"),
    [
        ([], Usage(0, 0)),
        ([Chunk(b"{}", tokens=2)], Usage(3, 2)),
        ([Chunk(b"{}", tokens=2, prompt_tokens=7)], Usage(7, 2)),
        ([Chunk(b"{}", tokens=2, usage=Usage(0, 2))], Usage(0, 2)),
    ],
    ids=["nothing", "begun", "counted", "whole"],
)
def test_a_prompt_that_nobody_counted_is_estimated(chunks, usage):
    """By its length, in an answer that began and was cut off."""
    tally = Tally(lambda: 11)
    for chunk in chunks:
        tally.add(chunk)

    assert tally.usage == usage
