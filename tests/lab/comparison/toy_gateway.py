"""A gateway made of tables, as an ASGI application: models that are right as often as they are told
to be, a router that reads the prompt's first word, and faults on demand."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

BIG, SQL, TOOLS = "big", "sql-model", "tools-model"
PRICES = {BIG: 10.0, SQL: 1.0, TOOLS: 1.0, "judge": 100.0}
"""Per million tokens of either kind."""


def toy_rows(count: int = 30, domains: tuple[str, ...] = ("sql", "tools", "general")) -> list[str]:
    """Lines of a data file: `sql 7` is answered by `seven sql 7`."""
    return [
        json.dumps(
            {
                "prompt": f"{domain} {number}",
                "answer": f"seven {domain} {number}",
                "grader": "text",
                "domain": domain,
            }
        )
        for domain in domains
        for number in range(count)
    ]


@dataclass
class ToyGateway:
    """The application, and what it was asked.

    Attributes:
        right: how often each model is right in each domain; never where nothing is said.
        tells: whether answers have a `niche` and the catalogue has roles.
        token_seconds: between two pieces.
        refuses: models that answer 500.
        cuts: models whose streams end without a finish reason.
        verdicts: what the model `judge` says, by the texts of answer A and answer B.
        bodies: of every request for an answer.
    """

    right: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    tells: bool = True
    token_seconds: float = 0.0
    refuses: set[str] = field(default_factory=set)
    cuts: set[str] = field(default_factory=set)
    verdicts: Mapping[tuple[str, str], str] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> Starlette:
        """As an application."""
        return Starlette(
            routes=[
                Route("/v1/models", self._models),
                Route("/v1/chat/completions", self._answer, methods=["POST"]),
            ]
        )

    def asked(self) -> list[str]:
        """The models that requests named, in their order."""
        return [body["model"] for body in self.bodies]

    async def _models(self, _: Request) -> Response:
        roles = {BIG: ("generalist", "general"), SQL: ("specialist", "sql")}
        roles |= {TOOLS: ("specialist", "tools"), "auto": ("auto", None)}
        data = [
            {"id": name, "niche": {"role": role, "domain": domain}} if self.tells else {"id": name}
            for name, (role, domain) in roles.items()
        ]
        return JSONResponse({"data": data})

    async def _answer(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        prompt = body["messages"][-1]["content"]
        domain = prompt.split()[0]
        model = body["model"]
        if model == "auto":
            model = {"sql": SQL, "tools": TOOLS}.get(domain, BIG)
        if model in self.refuses:
            return JSONResponse({"error": {"message": f"{model} is ill"}}, 500)
        text = self._text(model, domain, prompt)
        return StreamingResponse(
            self._events(model, domain, prompt, text), media_type="text/event-stream"
        )

    def _text(self, model: str, domain: str, prompt: str) -> str:
        for (a, b), word in self.verdicts.items():
            if model == "judge" and 0 <= prompt.find(a) < prompt.find(b):
                return f"VERDICT: {word}"
        chance = int.from_bytes(hashlib.sha256(f"{model}{prompt}".encode()).digest()[:4]) / 2**32
        right = chance < self.right.get(model, {}).get(domain, 0.0)
        return f"seven {prompt}" if right else f"no {model}"

    async def _events(self, model: str, domain: str, prompt: str, text: str):
        words = text.split(" ")
        base = {"id": "x", "object": "chat.completion.chunk", "model": model}
        niche = {"domain": domain, "model": model, "reason": "routed", "confidence": 0.9}
        for place, word in enumerate(words):
            piece = word if place == len(words) - 1 else f"{word} "
            choice = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
            yield _event(base | {"choices": [choice]} | ({"niche": niche} if self.tells else {}))
            await asyncio.sleep(self.token_seconds)
        if model in self.cuts:
            return
        yield _event(base | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        tokens = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(words)}
        if self.tells:
            used = sum(tokens.values()) * PRICES[model] / 1e6
            niche |= {"cost": used, "engine_seconds": 0.01, "attributed_cost": used * 0.5}
        yield _event(
            base | {"choices": [], "usage": tokens} | ({"niche": niche} if self.tells else {})
        )
        yield b"data: [DONE]\n\n"


def _event(fields: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(fields, ensure_ascii=False)}\n\n".encode()
