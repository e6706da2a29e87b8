"""The benchmark of engines: the same work for every arm, and figures within a round."""

import asyncio
import itertools
import json
from pathlib import Path

import pytest
from aiohttp import web

from loadtests.bench.engine_arms import ROOT, Alone, Ours
from loadtests.bench.engine_report import report
from loadtests.bench.engines import Load, bodies, loads_of, run_load
from loadtests.bench.journal import Sample, Step
from loadtests.traffic.errors import LoadTestError

RAW = Alone("raw", "llama.cpp alone", "raw_llama", Path("base.gguf"))
DEFAULT = Ours("llama", "as shipped")
POOL = Ours("pool", "a pool", slots=20)
OWN = Ours("own", "of their own", slots=20, own=True)
MANY = Ours("many", "many adapters", adapters=7, slots=20)
GENERAL, MIXED = Load("general", 1, 2), Load("mixed", 2, 3, named=True)


def some(arm: Alone | Ours, load: Load, seed: str = "1") -> list[dict[str, object]]:
    return list(itertools.islice(bodies(arm, load, seed), 12))


def test_every_arm_gets_the_same_work() -> None:
    """General questions of llama.cpp alone and of the stack; prompts of the specialists."""
    assert some(RAW, GENERAL) == some(DEFAULT, GENERAL)
    assert some(POOL, MIXED) == some(OWN, MIXED)
    assert some(POOL, MIXED) != some(POOL, MIXED, seed="2")


def test_specialists_are_asked_in_turn_by_name() -> None:
    """Each of its own domain; and one alone where that is wanted."""
    assert [body["model"] for body in some(POOL, MIXED)][:6] == [*POOL.specialists, "sql"]
    alone = Load("alone", 1, 2, named=True, only=1)
    assert {body["model"] for body in some(POOL, alone)} == {"sql"}
    assert MANY.specialists[5:] == ("copy-5", "copy-6")
    assert MANY.domains[5:] == ("sql", "tools")


def test_copies_of_one_adapter_get_the_work_of_one() -> None:
    """Only the number of adapters differs."""
    one = Ours("one", "one", "llama", 1, "sql", 20)
    many = Ours("many", "many", "llama", 20, "sql", 20)

    assert set(many.domains) == {"sql"}
    assert [body["messages"] for body in some(one, MIXED)] == [
        body["messages"] for body in some(many, MIXED)
    ]


def test_only_stacks_with_slots_of_their_own_leave_general_questions_out() -> None:
    """Engines are compared on general questions, pools on their specialists."""
    assert {load.named for load in loads_of(RAW)} == {False}
    assert {load.named for load in loads_of(DEFAULT)} == {False, True}
    assert {load.named for load in loads_of(POOL)} == {True}


def test_a_pool_and_deployments_of_their_own_have_as_many_slots(tmp_path: Path) -> None:
    """The pool's in one process, the others' in five."""
    pool, own = (arm.config(tmp_path)["specialists"] for arm in (POOL, OWN))
    assert {spec["engine_options"]["parallel_requests"] for spec in pool} == {20}
    assert sum(spec["engine_options"]["parallel_requests"] for spec in own) == 20
    assert {spec.get("deployment") for spec in own} == {"own"}
    assert {spec.get("deployment") for spec in pool} == {None}


def test_more_adapters_are_other_files(tmp_path: Path) -> None:
    """A copy has weights, and so a checksum, of its own."""
    copy = MANY.config(tmp_path)["specialists"][5]
    card = json.loads((Path(copy["adapter"]) / "niche.json").read_text())
    shipped = json.loads((ROOT / "deployments/adapters/sql/niche.json").read_text())
    assert card["sha256"] != shipped["sha256"]
    assert card["base"] == shipped["base"]


def test_vllm_gets_the_same_slots_and_context(tmp_path: Path) -> None:
    """In its own words; the generalist, which is never asked, stays as it is."""
    arm = Ours("vllm", "a pool on vLLM", "vllm", slots=20)
    config = arm.config(tmp_path)
    options = [spec["engine_options"] for spec in config["specialists"]]

    assert {given["max_num_seqs"] for given in options} == {20}
    assert {given["max_model_len"] for given in options} == {1024}
    assert "parallel_requests" not in options[0]
    assert config["generalist"]["engine"] == "llama"


async def answered(events: list[str], load: Load = GENERAL) -> dict[str, float]:
    """The figures of a load of a server that answers with these events."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.json()
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write("".join(f"data: {event}\n\n" for event in events).encode())
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    return await figures_of(app, load)


async def figures_of(app: web.Application, load: Load) -> dict[str, float]:
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        return await run_load(f"http://{host}:{port}", RAW, load, "1")
    finally:
        await runner.cleanup()


SAID = '{"choices": [{"delta": {"content": "hi"}}]}'
USAGE = '{"choices": [], "usage": {"completion_tokens": 7}}'


def test_tokens_are_those_of_the_usage() -> None:
    """And not the number of events."""
    found = asyncio.run(answered([SAID, USAGE, "[DONE]"]))
    assert found["general tokens/s"] > 0
    assert 0 < found["general first token"] < 5


@pytest.mark.parametrize("events", [[SAID], [USAGE], []], ids=["cut", "silent", "empty"])
def test_a_broken_answer_ends_the_run(events: list[str]) -> None:
    """Its tokens would be missing from the figure."""
    with pytest.raises(LoadTestError):
        asyncio.run(answered(events))


def test_transformers_alone_answers(tmp_path: Path) -> None:
    """Several clients, one after the other, with the tokens that it generated."""
    from loadtests.bench.raw_transformers import application  # torch takes seconds to import
    from tests.deployments.tiny_model import save_tiny_model

    found = asyncio.run(figures_of(application(save_tiny_model(tmp_path)), Load("general", 2, 1)))
    assert found["general tokens/s"] > 0
    assert found["general first token"] > 0


def test_ratios_are_of_figures_of_one_round() -> None:
    """The median of two rounds' ratios, and not the ratio of medians."""
    speed = "general-1 tokens/s"
    samples = [
        Sample(Step(number, arm, "engine"), {speed: value})
        for number, arm, value in (
            *((1, "llama", 90.0), (1, "raw", 100.0)),
            *((2, "llama", 45.0), (2, "raw", 50.0), (3, "raw", 1.0)),
        )
    ]
    about = {
        "commit": "c",
        "machine": {"processor": "p", "cores": 2, "flags": []},
        "titles": {"raw": "alone", "llama": "ours"},
    }
    text = report(about, samples, ["a note"])
    line = next(line for line in text.splitlines() if line.startswith(f"| {speed}"))
    assert "0.9 [0.9, 0.9]" in line
    assert "a note" in text
