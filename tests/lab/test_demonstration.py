"""The demonstration: its stand-ins, its figures, and a stream against a real gateway."""

import time
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import Mount

from deployments.engine import EngineContext, create_engine
from gateway.app import build_app
from gateway.config import NicheConfig
from gateway.dependencies import Dependencies
from gateway.metrics import Metrics
from lab.comparison.errors import ComparisonError
from lab.comparison.rows import Row, Turn
from lab.demonstration import (
    Experiment,
    Request,
    Stream,
    cumulative_regret,
    draw,
    figures,
    main,
    policy_scores,
    serving_stand_ins,
    stand_in_answer,
    stand_in_shares,
    traffic_shares,
    transitions,
)
from router.grading.counts import Reference
from router.policy import Policy
from tests.fakes import FakeClassifier
from tests.gateway.stacks import on_loopback

ROOT = Path(__file__).parents[2]
BEFORE, AFTER, SPECIALISTS = "oracle:0", "oracle:1", "oracle:1,tools=0"
CONFIG = {
    "generalist": {"name": "big", "model": "none", "engine": "fake"},
    "specialists": [
        {"name": f"{domain}-model", "model": "none", "engine": "fake", "domain": domain}
        for domain in ("sql", "tools")
    ],
}


def row(number: int, domain: str) -> Row:
    prompt = f"{domain} {number}"
    chat = (Turn(role="user", content=prompt),)
    return Row(prompt, chat, chat, "text", Reference(f"the answer to {prompt}"), domain)


def known(specialist: float, generalist: float, model: str = "sql", phase: int = 1) -> Request:
    """A request that the classifier sent to `sql`, with the scores of both answers."""
    scores = {"sql": specialist, "big": generalist}
    return Request(1, phase, 0.0, model, specialist="sql", scores=scores)


def test_a_stand_in_is_right_for_its_share_of_the_prompts() -> None:
    """In a domain of its own share, and in all others."""
    shares = stand_in_shares("oracle:0.3,sql=0.8")
    rows = [row(number, domain) for domain in ("sql", "tools") for number in range(400)]

    right = [stand_in_answer(of, shares) == of.reference.answer for of in rows]

    assert np.mean(right[:400]) == pytest.approx(0.8, abs=0.08)
    assert np.mean(right[400:]) == pytest.approx(0.3, abs=0.08)


def test_a_better_stand_in_is_right_wherever_a_worse_one_is() -> None:
    """The swap makes no answer worse."""
    rows = [row(number, "sql") for number in range(200)]
    worse, better = (
        {of.key for of in rows if stand_in_answer(of, stand_in_shares(name)) == of.reference.answer}
        for name in ("oracle:0.4", "oracle:0.7")
    )

    assert worse < better


@pytest.mark.parametrize("name", ["oracle:", "oracle:two", "oracle:0.5,sql", "oracle:1.2"])
def test_a_malformed_stand_in_is_refused(name) -> None:
    """By its name."""
    with pytest.raises(ComparisonError, match=name):
        stand_in_shares(name)


def test_only_the_planted_specialist_and_the_amount_of_comparison_change(tmp_path) -> None:
    """Router and prices stay as configured, and so does the operator's own file."""
    text = (ROOT / "niche.yaml").read_text(encoding="utf-8")
    experiment = Experiment(yaml.safe_load(text), ("biomed", "tools"))
    ours = NicheConfig.model_validate(yaml.safe_load(text))

    made = experiment.stack_config("oracle:0.5", "http://127.0.0.1:1/v1", tmp_path / "evidence.db")

    config = NicheConfig.model_validate(made)
    adapters = {spec.domain: spec.adapter for spec in config.specialists}
    assert adapters == {name: name for name in adapters} | {"biomed": "tools"}
    assert (config.generalist.engine, config.generalist.model) == ("openai", "oracle:0.5")
    assert (config.generalist.name, config.generalist.price) == (
        "generalist",
        ours.generalist.price,
    )
    assert config.router == ours.router
    assert config.gateway.model_copy(update={"shadow": None}) == ours.gateway
    assert experiment.config == yaml.safe_load(text)


def test_a_planted_domain_without_a_specialist_is_refused() -> None:
    """With the domains that have one."""
    with pytest.raises(ComparisonError, match=r"law.*sql, tools"):
        Experiment(CONFIG, ("law", "sql"))


def test_each_policy_gets_the_answer_that_it_would_have_chosen() -> None:
    """In the second phase another model is the better one of the domain."""
    unrouted = Request(4, 1, 0.0, "big", scores={"big": 0.5})
    requests = [known(1.0, 0.0), known(0.8, 0.6, "big"), unrouted, known(0.0, 1.0, phase=2)]

    scores = {policy: own.tolist() for policy, own in policy_scores(requests, "big").items()}

    assert scores == {
        "selection": [1.0, 0.6, 0.5, 0.0],
        "always route": [1.0, 0.8, 0.5, 0.0],
        "all generalist": [0.0, 0.6, 0.5, 1.0],
        "best per domain": [1.0, 0.8, 0.5, 1.0],
        "oracle": [1.0, 0.8, 0.5, 1.0],
    }


def test_regret_is_summed_against_the_oracle() -> None:
    """The oracle itself has none."""
    scores = {"selection": np.array([1.0, 0.5, 0.0]), "oracle": np.array([1.0, 1.0, 1.0])}

    regret = {policy: own.tolist() for policy, own in cumulative_regret(scores).items()}

    assert regret == {"selection": [0.0, 0.5, 1.5], "oracle": [0.0, 0.0, 0.0]}


def test_a_traffic_share_is_of_the_latest_requests() -> None:
    """Of a window, and of fewer at the beginning."""
    shares = traffic_shares(["a", "b", "b", "b", "a"], window=2)

    assert {name: of.tolist() for name, of in shares.items()} == {
        "a": [1, 0.5, 0, 0, 0.5],
        "b": [0, 0.5, 1, 1, 0.5],
    }


def test_a_transition_counts_the_requests_before_it_and_the_late_answers() -> None:
    """A change that the operator made is not of the evidence."""
    moves = [{"time": 2.5, "by": "evidence"}, {"time": 1.0, "by": "operator"}]
    stream = Stream(
        Experiment(CONFIG, ("sql", "tools")),
        [Request(sent, 1, float(sent), model) for sent, model in enumerate(("s", "s", "b", "s"))],
        {"specialists": [{"name": "s", "transitions": moves}]},
    )

    [found] = transitions(stream)

    assert (found["specialist"], found["requests_sent"], found["answered_later"]) == ("s", 3, 1)


def gateway_app(config: NicheConfig, folder) -> Starlette:
    """The gateway of a configuration, without Ray; its classifier knows a prompt by its domain."""
    engines = {spec.name: create_engine([spec], EngineContext(folder)) for spec in config.models}
    table = {spec.domain: (spec.name,) for spec in config.specialists}
    classifier = FakeClassifier({domain: domain for domain in table})
    app = build_app(
        Dependencies(
            config=config,
            policy=Policy(table, config.generalist.name, config.router),
            classifier=classifier,
            backends=engines,
            metrics=Metrics(CollectorRegistry()),
            clock=time.perf_counter,
            wall_clock=time.time,
        )
    )

    @asynccontextmanager
    async def lifespan(_app):
        for engine in engines.values():
            await engine.start()
        async with app.router.lifespan_context(app):
            yield
        for engine in engines.values():
            await engine.stop()

    return Starlette(routes=[Mount("/", app)], lifespan=lifespan)


async def test_a_planted_specialist_loses_its_traffic_to_the_better_generalist(tmp_path) -> None:
    """It is as bad as the first generalist and worse than the second; the other one stays."""
    stream = Stream(Experiment(CONFIG, ("tools", "sql"), SPECIALISTS))
    rows = [row(number, domain) for number in range(24) for domain in ("sql", "tools", "general")]
    with serving_stand_ins(rows, (BEFORE, AFTER, SPECIALISTS)) as stand_ins:
        for phase, (generalist, part) in enumerate(((BEFORE, rows[:36]), (AFTER, rows[36:])), 1):
            made = stream.experiment.stack_config(generalist, stand_ins, tmp_path / "evidence.db")
            with on_loopback(gateway_app(NicheConfig.model_validate(made), tmp_path)) as url:
                await stream.play(url, phase, part, concurrency=2)
    draw(stream, 36, tmp_path / "shares.png")

    found = figures(stream)
    assert found["planted"] == "tools-model"
    assert {of["specialist"] for of in found["transitions"]} == {"tools-model"}
    assert found["transitions"][0]["requests_sent"] > 36
    assert found["requests"] == {"sent": 72, "failed": 0, "specialist_chosen": 48, "paired": 48}
    regret = {policy: of["regret"] for policy, of in found["policies"].items()}
    assert regret["best per domain"] == regret["oracle"] == 0
    assert 0 < regret["selection"] < min(regret["always route"], regret["all generalist"])
    assert {of.model for of in stream.requests[-6:]} == {"sql-model", "big"}
    assert (tmp_path / "shares.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        pytest.param(["nowhere.jsonl"], "nowhere.jsonl", id="prompts"),
        pytest.param(["x", "--config", "nowhere.yaml"], "nowhere.yaml", id="config"),
        pytest.param(["x", "--planted", "law=sql"], "law", id="planted"),
    ],
)
def test_an_impossible_run_is_refused_in_a_line(tmp_path, capsys, more, named) -> None:
    """With exit code 2, before anything is started."""
    options = ["--config", str(ROOT / "niche.yaml"), "--out", str(tmp_path / "out")]

    assert main([*options, *more]) == 2
    message = capsys.readouterr().err
    assert named in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()
