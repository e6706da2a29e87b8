"""Kinds of other task that are a domain's own; only real weights tell them apart."""

from itertools import product

import pytest

from lab.routing.caching import CachingEncoder
from lab.routing.forms import Wordings, wordings
from lab.routing.own_task import kinds_of_own_task
from lab.routing.rows import Row
from router.encoders.encoder import Encoder
from router.types import GENERAL
from tests.router.encoders.minilm import minilm
from tests.router.fakes import HashingEncoder

SENTENCES = (
    "the train to the coast leaves at nine from platform two",
    "we was very happy with the rooms and the breakfast were good",
    "please send me your offer by friday at the latest",
    "she dont like it when the neighbours plays music at night",
    "our shop is closed on public holidays and on mondays",
    "him and me has went to the market for buy some apple",
    "the board approved the budget for next year without changes",
    "i look forward to hear from you about the open position",
)
TRANSLATION = (
    "Translate to German: {}",
    "What is this in French? {}",
    "{} -- in Italian please",
    "Give me the Spanish for: {}",
    "I need the next sentence in Portuguese. {}",
    "translate this for my Danish colleague: {}",
)
GRAMMAR = (
    "Fix the grammar: {}",
    "Correct the mistakes in this sentence: {}",
    "Is anything wrong with my English here? {}",
    "Please proofread: {}",
    "{} <- correct the spelling and grammar please",
    "Check this text for errors and return the corrected version. {}",
)
SUPPORT = (
    "my card was swallowed by a cash machine in {}",
    "why was I charged twice at a shop in {}?",
    "how do I change my PIN while I am in {}",
    "the transfer that I sent to {} has not arrived",
    "can I top up by cheque from {}?",
    "Your app says declined when I pay in {}, what now?",
)
PLACES = ("Lisbon", "Oslo", "Leeds", "Graz", "Turin", "Cork", "Ghent", "Brno")


def rows(domain, patterns, fillings):
    return [
        Row(pattern.format(filling), domain, f"{domain}{number}")
        for number, (pattern, filling) in enumerate(product(patterns, fillings))
    ]


@pytest.fixture(scope="module")
def found():
    """What is found in a router's rows of three niches and general prompts."""
    said = [
        *rows("translation", TRANSLATION, SENTENCES),
        *rows("grammar", GRAMMAR, SENTENCES),
        *rows("support", SUPPORT, PLACES),
        *rows(GENERAL, TRANSLATION, SENTENCES),
    ]
    return kinds_of_own_task(said, CachingEncoder(Encoder(*minilm())), wordings(False))


@pytest.mark.slow  # thousands of texts are encoded
def test_a_translators_own_task_is_found(found):
    """A router for it must not learn that a translation goes to nobody."""
    assert "translate" in found["translation"]
    assert not {"proofread", "is_it_grammatical"} & set(found["translation"])


@pytest.mark.slow  # thousands of texts are encoded
def test_a_proofreaders_own_task_is_found(found):
    """Among the kinds about grammar."""
    assert {"proofread", "is_it_grammatical"} & set(found["grammar"])
    assert "translate" not in found["grammar"]


@pytest.mark.slow  # thousands of texts are encoded
def test_a_domain_whose_task_is_none_of_the_kinds_has_none(found):
    """Messages to a bank are no text to work on; and general rows are not read."""
    assert set(found) == {"translation", "grammar"}


def test_the_same_rows_give_the_same_kinds():
    """Whatever their order is, for few rows."""
    some = Wordings(wordings(False).other_tasks[:6], {}, (), ())
    task = some.other_tasks[0]
    said = [
        Row(task.user[number % 8].format(text=f"w{number}", language="Dutch"), "d", f"{number}")
        for number in range(40)
    ]
    one, other = (kinds_of_own_task(order, HashingEncoder(), some) for order in (said, said[::-1]))
    assert one == other
