"""The whole stream against real gateways over fake specialists, and the files that it leaves."""

import json
import time
from contextlib import asynccontextmanager, contextmanager

import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import Mount

from deployments.engine import EngineContext, create_engine
from gateway.app import build_app
from gateway.config import NicheConfig
from gateway.dependencies import Dependencies
from gateway.metrics import Metrics
from lab.comparison.errors import ComparisonError
from lab.comparison.journal import Journal
from lab.demonstration.configuration import Planted, Upstream, configured
from lab.demonstration.records import Phase, Request, line, read_story
from lab.demonstration.results import JOURNAL, write_results
from lab.demonstration.run import Clocks, Pace, Part, parts, play
from lab.demonstration.stand_in import read_stand_in, standing_in
from router.policy import Policy
from tests.fakes import FakeClassifier
from tests.gateway.stacks import on_loopback
from tests.lab.demonstration.samples import row

ADAPTERS = {"sql": "sql", "math": None, "tools": "tools"}
"""Of the niches; `math` has none, and its specialist knows nothing."""
RAW = {
    "generalist": {"name": "big", "model": "none", "engine": "fake"},
    "specialists": [
        {"name": f"{domain}-model", "model": "none", "engine": "fake", "domain": domain}
        | ({"adapter": adapter} if adapter else {})
        for domain, adapter in ADAPTERS.items()
    ],
}
BEFORE, AFTER = "oracle:0,tools=1", "oracle:1,sql=0"
PER_NICHE, GENERAL = 32, 8
CLOCKS = Clocks(time.perf_counter, time.time)
PACE = Pace(concurrency=3, look_seconds=0.05, pair_seconds=2.0)


def engine_of(spec, folder):
    """A specialist is right where its adapter is of its own niche."""
    if spec.engine == "fake":
        reply = "seven {message}" if spec.adapter == spec.domain else "no"
        spec = spec.model_copy(update={"engine_options": {"reply": reply}})
    return create_engine(spec, EngineContext(folder))


def app_of(config, folder):
    """The gateway of a configuration, without Ray."""
    engines = {spec.name: engine_of(spec, folder) for spec in config.models}
    table = {spec.domain: (spec.name,) for spec in config.specialists}
    app = build_app(
        Dependencies(
            config=config,
            policy=Policy(table, config.generalist.name, config.router),
            classifier=FakeClassifier({domain: domain for domain in table}),
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


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The folder of one whole run: tools is planted, math is as good as the generalist at first."""
    out = tmp_path_factory.mktemp("results")
    counts = dict.fromkeys(ADAPTERS, PER_NICHE) | {"general": GENERAL}
    rows = [row(number, domain) for domain, count in counts.items() for number in range(count)]
    stream = parts(rows, (BEFORE, AFTER), 0.5, seed=3)
    about = {"generalist": "big", "planted": "tools-model", "about": ["a test"]}
    journal = Journal(out / JOURNAL, about)

    with standing_in(rows, [read_stand_in(BEFORE), read_stand_in(AFTER)]) as url:

        @contextmanager
        def stage(part):
            wanted = Upstream(part.generalist, url)
            made = configured(RAW, Planted("tools", "sql"), wanted, out / "evidence.db", 3)
            with on_loopback(app_of(NicheConfig.model_validate(made), out)) as address:
                yield address

        play(stream, stage, lambda record: journal.append(line(record)), PACE, CLOCKS)
    write_results(out)
    return out


@pytest.fixture(scope="module")
def story(results):
    return read_story(map(json.loads, (results / JOURNAL).read_text().splitlines()[1:]))


@pytest.fixture(scope="module")
def report(results):
    return json.loads((results / "report.json").read_text())


def test_every_prompt_is_asked_once(story) -> None:
    """In the order of their numbers, and none fails."""
    assert [of.number for of in story.requests] == list(range(1, 105))
    assert len({of.row for of in story.requests}) == 104
    assert [of.error for of in story.requests if of.error] == []


def test_the_planted_specialist_loses_its_traffic(story, report) -> None:
    """In the first phase, and it alone; afterwards its prompts are the generalist's."""
    [first] = [of for of in report["demotions"] if of["phase"] == 1]

    assert (first["specialist"], first["reason"].split(":")[0]) == (
        "tools-model",
        "worse than the generalist by more than 2 points",
    )
    assert 8 <= first["pairs"] <= 16
    after = [of for of in story.requests if of.sent > first["time"] + 1 and of.domain == "tools"]
    assert {of.model for of in after} <= {"big"}


def test_the_swap_begins_evidence_anew(report) -> None:
    """States are those of before, pairs are none."""
    before, after = report["swap"]["before"], report["swap"]["after"]

    assert before["states"] == after["states"]
    assert before["states"]["tools-model"] in ("probation", "retired")
    assert before["pairs"]["sql-model"] == 16
    assert set(after["pairs"].values()) == {0}


def test_a_better_generalist_takes_over(report) -> None:
    """A specialist that was no worse than the first generalist is worse than the second; one that
    is always right stays."""
    second = [of["specialist"] for of in report["demotions"] if of["phase"] == 2]

    assert second == ["math-model"]


def test_both_answers_to_a_routed_prompt_are_known(story, report) -> None:
    """By comparison, or where there is none, by name: regret leaves nothing out."""
    routed = [of for of in story.requests if of.specialist is not None]

    assert len(routed) == 3 * PER_NICHE
    assert all(of.outcomes.keys() == {of.specialist, "big"} for of in routed)
    assert report["requests"]["left_out_of_regret"] == 0
    assert sum(of.paired for of in routed) >= 80


def test_selection_is_better_than_both_simple_ways(report) -> None:
    """And no better than the best choice by domain in hindsight, nor that than the oracle."""
    regret = {way: of["regret"] for way, of in report["ways"]["all"].items()}

    assert regret["oracle"] == 0 <= regret["per domain"] <= regret["selection"]
    assert regret["selection"] < min(regret["always route"], regret["all generalist"])


def test_the_report_tells_it(results) -> None:
    """In words, with a picture, and that the generalist was none."""
    text = (results / "report.md").read_text()

    assert "The planted specialist `tools-model` lost its traffic after" in text
    assert "of the other specialists `math-model` lost theirs" in text
    assert "`oracle:0,tools=1` and `oracle:1,sql=0`: no model" in text
    assert (results / "shares.png").read_bytes().startswith(b"\x89PNG")


def test_a_journal_that_was_cut_is_enough(results, tmp_path) -> None:
    """What was written as it came makes a report, but for a torn last line."""
    lines = (results / JOURNAL).read_text().splitlines(keepends=True)
    (tmp_path / JOURNAL).write_text("".join(lines[:40]) + lines[40][:10])

    write_results(tmp_path)

    assert "The stream ended before it." in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize("text", [None, '{"generalist": "big"}\n'])
def test_a_journal_without_answers_tells_nothing(tmp_path, text) -> None:
    """It is refused by its name."""
    if text is not None:
        (tmp_path / JOURNAL).write_text(text)

    with pytest.raises(ComparisonError, match=r"journal\.jsonl"):
        write_results(tmp_path)


def test_both_phases_have_their_part_of_each_domain() -> None:
    """In random order, the same for the same seed."""
    rows = [row(number, domain) for domain in ("sql", "general") for number in range(30)]

    first, second = parts(rows, ("one", "two"), 1 / 3, seed=1)

    assert [sum(of.domain == "sql" for of in part.rows) for part in (first, second)] == [10, 20]
    assert {*first.rows, *second.rows} == set(rows)
    assert [of.domain for of in first.rows] != sorted(of.domain for of in first.rows)
    assert parts(rows, ("one", "two"), 1 / 3, seed=1) == (first, second)


def test_a_stack_that_is_gone_ends_the_run(tmp_path) -> None:
    """Its stage is left, and what was kept is kept."""
    kept, left = [], []

    @contextmanager
    def stage(_part):
        try:
            yield "http://127.0.0.1:1"
        finally:
            left.append(True)

    with pytest.raises(ComparisonError, match="see the stack's log"):
        play([Part(1, "small", ())], stage, kept.append, PACE, CLOCKS)

    assert [type(of) for of in kept] == [Phase]
    assert left == [True]
    assert not any(isinstance(of, Request) for of in kept)
