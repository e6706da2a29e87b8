"""What a key gets with scores and foreign ids: from a gateway that lets anybody, and from one that
does not."""

import itertools
from collections import Counter
from typing import Any

import pytest
from aiohttp import web

from loadtests.abuse.forgery import Waits, foreign_ids, forged_scores
from loadtests.abuse.hostile import Attacker
from tests.loadtests.abuse.server import KEYS, order, serving

AT_ONCE = Waits(pair=0.02, look=0.01, settled=0.0)


class Gateway:
    """A gateway with one specialist.

    Args:
        careful: whether an id is the server's, an answer its client's, and a score a grader's.
        blind: whether nobody can score, nor read what is stored.
    """

    def __init__(self, *, careful: bool = True, blind: bool = False) -> None:
        self._careful, self._blind = careful, blind
        self._answered: dict[str, tuple[str, str]] = {}
        self._stored: dict[str, str] = {}
        self._zeros: Counter[str] = Counter()
        self._numbers = itertools.count()

    def app(self) -> web.Application:
        """The application."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/v1/niche/evidence", self._evidence),
                web.get("/v1/niche/pairs/{id}", self._pairs),
                web.post("/v1/feedback", self._feedback),
                web.post("/v1/chat/completions", self._chat),
                web.post("/v1/responses", self._respond),
                web.get("/v1/responses/{id}", self._response),
                web.delete("/v1/responses/{id}", self._response),
            ]
        )
        return app

    async def _evidence(self, _: web.Request) -> web.Response:
        demoted = {"time": 1.0, "to": "probation", "by": "evidence"}
        moves = [demoted] if self._zeros["sql"] >= 10 else []
        state = "probation" if moves else "active"
        sql = {"name": "sql", "domain": "sql", "state": state, "transitions": moves}
        return web.json_response({"generalist": "generalist", "specialists": [sql]})

    async def _chat(self, request: web.Request) -> web.Response:
        asked = (await request.json())["model"]
        name = f"id-{next(self._numbers)}"
        if not self._careful:
            name = request.headers.get("x-request-id", name)
        model = "sql" if asked == "auto" else asked
        self._answered[name] = (_key(request), model)
        return web.json_response({}, headers={"x-request-id": name, "x-niche-model": model})

    async def _pairs(self, request: web.Request) -> web.Response:
        owner, _ = self._answered.get(request.match_info["id"], ("", ""))
        foreign = _key(request) not in (owner, KEYS.grader)
        hidden = not owner or self._blind or (self._careful and foreign)
        return web.json_response({}, status=404 if hidden else 200)

    async def _feedback(self, request: web.Request) -> web.Response:
        sent: dict[str, Any] = await request.json()
        _, answered_by = self._answered.get(sent["request_id"], ("", ""))
        if self._blind or (self._careful and _key(request) != KEYS.grader):
            return web.json_response({}, status=403)
        if not answered_by:
            return web.json_response({}, status=404)
        model = sent.get("model", answered_by)
        self._zeros[model] += sent["score"] == 0
        return web.json_response({"model": model, "status": "graded"})

    async def _respond(self, request: web.Request) -> web.Response:
        asked = await request.json()
        items = asked["input"] if isinstance(asked["input"], list) else []
        referred = [of["id"] for of in items if of.get("type") == "item_reference"]
        referred += [asked["previous_response_id"]] if "previous_response_id" in asked else []
        if any(self._hidden(request, name) for name in referred):
            return web.json_response({}, status=404)
        name = f"resp-{next(self._numbers)}"
        self._stored[name] = self._stored[f"item-{name}"] = _key(request)
        return web.json_response({"id": name, "output": [{"id": f"item-{name}"}]})

    async def _response(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if self._hidden(request, name):
            return web.json_response({}, status=404)
        if request.method == "DELETE":
            del self._stored[name]
        return web.json_response({})

    def _hidden(self, request: web.Request, name: str) -> bool:
        owner = self._stored.get(name)
        return owner is None or self._blind or (self._careful and owner != _key(request))


def _key(request: web.Request) -> str:
    return request.headers["authorization"].removeprefix("Bearer ")


async def test_anybodys_scores_demote_a_specialist() -> None:
    """Where they count."""
    async with serving(Gateway(careful=False).app()) as port:
        attacker = Attacker(order("scores", port))
        facts = await forged_scores(attacker, AT_ONCE)

    assert facts["states changed"] == 1
    assert attacker.seen == {
        "own: 200 graded": 20,
        "foreign: 200 graded": 20,
        "invented: 404": 20,
    }


async def test_where_graders_alone_score_nothing_changes() -> None:
    """The control shows that a grader's score would have counted: for both kinds of answers."""
    async with serving(Gateway().app()) as port:
        attacker = Attacker(order("scores", port))
        facts = await forged_scores(attacker, AT_ONCE)

    assert facts == {"states changed": 0, "control": 2}
    assert attacker.seen == {"own: 403": 20, "foreign: 403": 20, "invented: 403": 20}


async def test_what_lies_open_is_taken() -> None:
    """A comparison, a response, a conversation, an item; a score, the id and a stored answer."""
    async with serving(Gateway(careful=False).app()) as port:
        facts = await foreign_ids(Attacker(order("ids", port)), AT_ONCE)

    assert facts == {"read": 20, "scored": 5, "replaced": 10, "control": 10}


@pytest.mark.parametrize(("blind", "control"), [(False, 10), (True, 0)], ids=["ours", "nobody's"])
async def test_what_is_another_keys_is_not(blind: bool, control: int) -> None:
    """The control tells it from what nobody can have."""
    async with serving(Gateway(blind=blind).app()) as port:
        facts = await foreign_ids(Attacker(order("ids", port)), AT_ONCE)

    assert facts == {"read": 0, "scored": 0, "replaced": 0, "control": control}
