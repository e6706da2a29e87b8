"""What a key that may only send requests tries with scores, and with the ids of another key.

Rule: beside each attempt stands a control, the same by a key that may. Without it nothing would be
known: an answer that nobody can score is no answer that this key cannot.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from loadtests.abuse.hostile import Attacker, Order
from loadtests.traffic.prompts import PromptMix, read_prompts

CHANGED, CONTROL = "states changed", "control"
READ, SCORED, REPLACED = "read", "scored", "replaced"

_ZEROS, _ONES = 10, 20
"""Scores that demote and promote a specialist, where anybody's count."""
_TRIES = 5
_ANSWER_SECONDS = 30.0
_OK = 200


@dataclass(frozen=True)
class Waits:
    """How long a client waits for a stack, in seconds.

    Attributes:
        pair: for a comparison to be there.
        look: between two looks for it.
        settled: for all gateways to have written and read what they share.
    """

    pair: float = 2.0
    look: float = 0.1
    settled: float = 1.5


_WAITS = Waits()


@dataclass(frozen=True)
class Reply:
    """An answer: its status, its headers, and its JSON; empty if that is no object."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def request_id(self) -> str:
        """The id by which the answer is known."""
        return self.headers.get("x-request-id", "")


class Api:
    """The endpoints about answers and scores, by any of the keys.

    Args:
        session: makes the requests.
        order: has the address and the keys.
        waits: how long it waits for a comparison.
    """

    def __init__(self, session: aiohttp.ClientSession, order: Order, waits: Waits) -> None:
        self._session, self._url = session, "http://{}:{}".format(*order.address)
        self._waits = waits

    async def call(
        self,
        key: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> Reply:
        """One request; an answer that breaks off or is no JSON is status 0."""
        headers = {"authorization": f"Bearer {key}"}
        headers |= {"x-request-id": request_id} if request_id else {}
        try:
            async with self._session.request(
                method, self._url + path, json=body, headers=headers
            ) as response:
                found = await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, ValueError):
            return Reply(0, {}, {})
        names = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, names, found if isinstance(found, dict) else {})

    async def chat(
        self, key: str, text: str, model: str = "auto", request_id: str | None = None
    ) -> Reply:
        """A chat that says a text."""
        said = [{"role": "user", "content": text}]
        body = {"model": model, "messages": said, "max_tokens": 16}
        return await self.call(key, "POST", "/v1/chat/completions", body, request_id)

    async def score(
        self, key: str, request_id: str, score: float, model: str | None = None
    ) -> Reply:
        """Scores an answer."""
        about = {"model": model} if model else {}
        body = {"request_id": request_id, "score": score, **about}
        return await self.call(key, "POST", "/v1/feedback", body)

    async def pair(self, keys: tuple[str, ...], request_id: str) -> Reply:
        """Waits until a comparison waits for its grade; the last reply otherwise."""
        reply = Reply(0, {}, {})
        for _ in range(round(self._waits.pair / self._waits.look)):
            for key in keys:
                reply = await self.call(key, "GET", f"/v1/niche/pairs/{request_id}")
                if reply.status == _OK:
                    return reply
            await asyncio.sleep(self._waits.look)
        return reply

    async def settle(self) -> None:
        """Waits until all gateways know the same."""
        await asyncio.sleep(self._waits.settled)


@asynccontextmanager
async def _api(order: Order, waits: Waits) -> AsyncIterator[Api]:
    connector = aiohttp.TCPConnector(local_addr=(order.source, 0))
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Api(session, order, waits)


@dataclass(frozen=True)
class _Forged:
    """A score that a client sends: of the answer to whose request, of which specialist."""

    whose: str
    specialist: str
    prompts: PromptMix
    generalist: str
    score: float


async def forged_scores(attacker: Attacker, waits: Waits = _WAITS) -> dict[str, int]:
    """Ten zeros for each specialist with traffic and twenty ones for each without: for answers to
    this key's requests, to another's, and for invented ids."""
    keys = attacker.order.keys
    attacker.begin()
    async with _api(attacker.order, waits) as api:
        evidence = (await api.call(keys.operator, "GET", "/v1/niche/evidence")).body
        before, forged = _moves(evidence), list(_plan(evidence))
        graded = await _graded_by_grader(api, attacker, forged)
        waiting = iter(forged)

        async def client() -> None:
            for one in waiting:
                await _forge(api, attacker, one)

        await asyncio.gather(*(client() for _ in range(attacker.order.clients)))
        await api.settle()
        evidence = (await api.call(keys.operator, "GET", "/v1/niche/evidence")).body
    return {CHANGED: len(_moves(evidence) - before), CONTROL: graded}


def _plan(evidence: Mapping[str, Any]) -> list[_Forged]:
    planned = []
    for whose in ("own", "foreign", "invented"):
        for of in evidence.get("specialists", ()):
            score, count = (0.0, _ZEROS) if of["state"] == "active" else (1.0, _ONES)
            prompts = read_prompts({of["domain"]: 1.0})
            one = _Forged(whose, of["name"], prompts, evidence["generalist"], score)
            planned += [one] * count
    return planned


def _moves(evidence: Mapping[str, Any]) -> set[tuple[str, float, str]]:
    """The changes of states that followed from scores."""
    return {
        (of["name"], move["time"], move["to"])
        for of in evidence.get("specialists", ())
        for move in of["transitions"]
        if move["by"] == "evidence"
    }


async def _graded_by_grader(api: Api, attacker: Attacker, forged: list[_Forged]) -> int:
    """How many answers, to another's request and to its own, a grader could score."""
    keys, graded = attacker.order.keys, 0
    if not forged:
        return 0
    one = forged[0]
    for key in (keys.polite, keys.grader):
        answer = await api.chat(key, one.prompts.draw(random.Random()).text)
        await api.pair((key, keys.grader), answer.request_id)
        replies = [
            await api.score(keys.grader, answer.request_id, 0.5, model)
            for model in (one.specialist, one.generalist)
        ]
        graded += any(of.body.get("status") == "graded" for of in replies)
    return graded


async def _forge(api: Api, attacker: Attacker, one: _Forged) -> None:
    keys, request_id = attacker.order.keys, f"{random.getrandbits(128):032x}"
    if one.whose != "invented":
        key = keys.hostile if one.whose == "own" else keys.polite
        request_id = (await api.chat(key, one.prompts.draw(random.Random()).text)).request_id
        await api.pair((key, keys.grader), request_id)
    for model, score in ((one.specialist, one.score), (one.generalist, 1 - one.score)):
        reply = await api.score(keys.hostile, request_id, score, model)
        words = (f"{one.whose}:", str(reply.status), str(reply.body.get("status", "")))
        attacker.seen[" ".join(words).strip()] += 1


async def foreign_ids(attacker: Attacker, waits: Waits = _WAITS) -> dict[str, int]:
    """Reads, scores and replaces what another key asked for and got."""
    facts = Counter({READ: 0, SCORED: 0, REPLACED: 0, CONTROL: 0})
    attacker.begin()
    async with _api(attacker.order, waits) as api:
        for _ in range(_TRIES):
            await _take_comparison(api, attacker, facts)
            await _take_response(api, attacker, facts)
    return dict(facts)


async def _take_comparison(api: Api, attacker: Attacker, facts: Counter[str]) -> None:
    keys, order = attacker.order.keys, attacker.order
    answer = await api.chat(keys.polite, read_prompts({"sql": 1.0}).draw(random.Random()).text)
    name, model = answer.request_id, answer.headers.get("x-niche-model")
    facts[CONTROL] += (await api.pair((keys.polite, keys.grader), name)).status == _OK
    read = await api.call(keys.hostile, "GET", f"/v1/niche/pairs/{name}")
    scored = await api.score(keys.hostile, name, 0.0)
    again = await api.chat(keys.hostile, "Something else", order.model, name)
    facts[READ] += read.status == _OK
    facts[SCORED] += scored.status == _OK
    await api.settle()
    for key in (keys.grader, keys.operator, keys.polite):
        known = await api.score(key, name, 0.5)
        if known.status == _OK:
            facts[REPLACED] += known.body.get("model") != model
            break
    for what, reply in (("comparison", read), ("score", scored), ("same id", again)):
        attacker.seen[f"{what}: {reply.status}"] += 1


async def _take_response(api: Api, attacker: Attacker, facts: Counter[str]) -> None:
    keys, model = attacker.order.keys, attacker.order.model
    asked = {"model": model, "input": "A secret", "max_output_tokens": 16}
    stored = (await api.call(keys.polite, "POST", "/v1/responses", asked)).body
    name, items = stored.get("id"), [of.get("id") for of in stored.get("output", ())]
    path, hostile = f"/v1/responses/{name}", keys.hostile
    there = (await api.call(keys.polite, "GET", path)).status == _OK
    reference = [{"type": "item_reference", "id": of} for of in items]
    said = {"role": "user", "content": "And what was it?"}
    attempts = {
        "response": await api.call(hostile, "GET", path),
        "continued": await api.call(
            hostile, "POST", "/v1/responses", asked | {"previous_response_id": name}
        ),
        "item": await api.call(
            hostile, "POST", "/v1/responses", asked | {"input": [*reference, said]}
        ),
        "deleted": await api.call(hostile, "DELETE", path),
    }
    for what, reply in attempts.items():
        attacker.seen[f"{what}: {reply.status}"] += 1
        facts[READ] += what != "deleted" and reply.status == _OK
    stays = (await api.call(keys.polite, "GET", path)).status == _OK
    facts[CONTROL] += there
    facts[REPLACED] += there and not stays
