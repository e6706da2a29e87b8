"""The gateway as its clients know it: chats, pairs of answers, feedback, evidence."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from lab.comparison.rows import Row

_MAX_TOKENS = 256
"""Of an answer whose row names no number."""
_PAUSE_SECONDS, _SLOWER = (0.05, 0.5), 1.5
_SHOWN = 200


class Broken(Exception):
    """A request without the answer that it should have; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What a user got: the text, and what the gateway says of the decision."""

    text: str
    model: str
    domain: str
    reason: str


class Gateway:
    """A running gateway.

    Args:
        http: does the talking.
        url: without `/v1`.
        clock: monotonic seconds.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, clock: Callable[[], float]) -> None:
        self._http, self._url, self._clock = http, url.rstrip("/"), clock

    async def ask(self, model: str, row: Row, request_id: str) -> Answer:
        """Asks a prompt.

        Raises:
            Broken: there is no answer.
        """
        body = {
            "model": model,
            "messages": [turn.model_dump() for turn in row.chat],
            "max_tokens": row.max_tokens or _MAX_TOKENS,
            "temperature": 0,
        }
        found = await self._json("POST", "/v1/chat/completions", body, request_id)
        text, niche = found["choices"][0]["message"]["content"], found["niche"]
        return Answer(text or "", niche["model"], niche["domain"], niche["reason"])

    async def pair(self, request_id: str, seconds: float) -> Mapping[str, str] | None:
        """The two answers to a request, by model, once both are there; None: not in time.

        Raises:
            Broken: the gateway does not answer.
        """
        end, pause = self._clock() + seconds, _PAUSE_SECONDS[0]
        while True:
            response = await self._send("GET", f"/v1/niche/pairs/{request_id}")
            if response.is_success:
                [pair] = response.json()["pairs"]
                return {answer["model"]: answer["text"] for answer in pair.values()}
            if self._clock() >= end:
                return None
            await asyncio.sleep(pause)
            pause = min(pause * _SLOWER, _PAUSE_SECONDS[1])

    async def tell(self, request_id: str, scores: Mapping[str, float]) -> bool:
        """Scores answers to a request, as its user would; whether that graded its pair.

        Raises:
            Broken: the feedback was refused.
        """
        status = ""
        for model, score in scores.items():
            body = {"request_id": request_id, "model": model, "score": score}
            status = (await self._json("POST", "/v1/feedback", body))["status"]
        return status == "graded"

    async def evidence(self) -> dict[str, Any]:
        """What the gateway knows of its specialists.

        Raises:
            Broken: it does not say.
        """
        return await self._json("GET", "/v1/niche/evidence")

    async def _json(
        self, method: str, path: str, body: object = None, request_id: str | None = None
    ) -> dict[str, Any]:
        response = await self._send(method, path, body, request_id)
        if not response.is_success:
            told = " ".join(response.text.split())[:_SHOWN]
            raise Broken(f"{path}: HTTP {response.status_code}: {told}")
        found: dict[str, Any] = response.json()
        return found

    async def _send(
        self, method: str, path: str, body: object = None, request_id: str | None = None
    ) -> httpx.Response:
        headers = {"x-request-id": request_id} if request_id else {}
        url = f"{self._url}{path}"
        try:
            return await self._http.request(method, url, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise Broken(f"{path}: {type(error).__name__} {error}".strip()) from error
