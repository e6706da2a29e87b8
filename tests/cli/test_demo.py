"""The samples against a real server on loopback: their table, and what went wrong."""

import pytest

from cli.demo import SAMPLES, show_samples
from deployments.protocol import Unavailable
from deployments.spec import ModelSpec
from gateway.config import LaunchError, NicheConfig
from lab.specialists.registry import NICHES
from router.types import GENERAL
from tests.cli.servers import serving
from tests.fakes import FakeBackend, FakeClassifier
from tests.gateway.stacks import GENERALIST, SPECIALIST, make_gateway

CONFIG = NicheConfig(generalist=GENERALIST, specialists=(SPECIALIST,))
SINGERS = FakeClassifier({"singers": "sql"})
"""Sends the demonstration's sample for `sql` to the specialist."""


def test_every_domain_of_the_default_stack_has_a_sample() -> None:
    """What the demonstration is for can be shown for each."""
    assert set(SAMPLES) == {*NICHES, GENERAL}


def test_a_row_for_each_domain(capsys: pytest.CaptureFixture[str]) -> None:
    """The table shows who answered what and why, in how much time, at which cost."""
    gateway = make_gateway(FakeBackend("big", ("It", " scatters.")), classifier=SINGERS)

    with serving(gateway) as url:
        assert show_samples(url, CONFIG)

    heads, *lines = capsys.readouterr().out.strip().splitlines()
    assert heads.split() == ["DOMAIN", "CONFIDENCE", "MODEL", "REASON", "SECONDS", "COST"]
    assert [line.split()[::2][:2] for line in lines[::3]] == [
        ["sql", "sql-model"],
        [GENERAL, "big"],
    ]
    assert all(line.endswith(" USD") for line in lines[::3])
    assert lines[1] == f"  > {' | '.join(SAMPLES['sql'].splitlines())}"
    assert lines[4:] == [f"  > {SAMPLES[GENERAL]}", "  It scatters."]


def test_a_sample_that_goes_astray_is_a_failure() -> None:
    """A domain's sample that another domain got makes the demonstration fail."""
    with serving(make_gateway(classifier=FakeClassifier({"sky": "sql"}))) as url:
        assert not show_samples(url, CONFIG)


def test_a_long_answer_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A table is for looking at: an answer takes two lines of a terminal at most."""
    with serving(make_gateway(FakeBackend("big", ("word ",) * 200))) as url:
        show_samples(url, NicheConfig(generalist=GENERALIST))

    shown = capsys.readouterr().out.splitlines()[-1]
    assert shown.endswith(" ...")
    assert len(shown) < 160


def test_a_domain_without_a_sample_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """An operator's own niche does not end the demonstration."""
    poems = ModelSpec(name="poet", model="none", engine="fake", domain="poems")
    config = NicheConfig(generalist=GENERALIST, specialists=(poems,))

    with serving(make_gateway()) as url:
        assert show_samples(url, config)

    assert "poems" not in capsys.readouterr().out


def test_a_request_that_fails_is_an_error() -> None:
    """A model that cannot answer does not pass for one that did."""
    dead = FakeBackend("big", refusal=Unavailable("big", "died"))

    with serving(make_gateway(dead)) as url, pytest.raises(LaunchError, match="model_unavailable"):
        show_samples(url, NicheConfig(generalist=GENERALIST))
