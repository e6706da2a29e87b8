"""`/v1/responses` with `gateway.response_store`: an answer is kept, so that a later request may
continue its conversation (`previous_response_id`), refer to its items, read it or delete it.

Rules: an answer is stored before its last byte is sent, since the next request may come at once;
one that cannot be stored is sent all the same.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.types import Message, Receive, Scope, Send

from gateway.authentication import caller_of
from gateway.body import read_parsed
from gateway.completions import Completions
from gateway.dialects.parse import CompletionRequest
from gateway.dialects.responses import completion_of, request_of
from gateway.dialects.responses_schemas import (
    DeletedResponse,
    Item,
    MessageItem,
    Response,
    ResponsesRequest,
)
from gateway.errors import (
    PreviousResponseNotFound,
    ResponseNotFound,
    ResponseStoreUnavailable,
    StoreError,
)
from gateway.stored_responses.recalled import Recalled, referred, refers
from gateway.stored_responses.store import ResponseStore, StoredResponse

_log = logging.getLogger("gateway.stored_responses")

_encode = msgspec.json.Encoder().encode

Keep = Callable[[Response], None]


@dataclass(frozen=True)
class StoredResponses:
    """`POST /v1/responses`.

    Attributes:
        completions: answers requests.
        store: keeps the answers.
    """

    completions: Completions
    store: ResponseStore

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        limits, caller = self.completions.dependencies.config.gateway, caller_of(scope)
        ended: list[Response] = []
        asked, begun = await read_parsed(scope, receive, limits, partial(_begun, ended.append))
        if begun is not None:
            earlier, request = list[Item](), begun
        else:
            recalled = await self._recalled(asked, caller, limits.max_body_bytes)
            # What is recalled may be long.
            asked, earlier, request = await asyncio.to_thread(
                partial(_continued, asked, recalled, ended.append)
            )

        async def remembering(message: Message) -> None:
            if ended and message["type"] == "http.response.body" and not message.get("more_body"):
                await self._remember(caller, asked, earlier, ended.pop())
            await send(message)

        await self.completions.answer(request, scope, receive, remembering)

    async def _recalled(self, asked: ResponsesRequest, caller: str, limit_bytes: int) -> Recalled:
        """What the store has of what a request refers to."""
        name, conversation = asked.previous_response_id, b"[]"
        with _available():
            if name is not None:
                found = await self.store.conversation(caller, name)
                if found is None:
                    raise PreviousResponseNotFound(
                        f"previous_response_id: no response {name[:80]!r} is stored.",
                        "previous_response_id",
                    )
                conversation = found
            names = referred(asked)
            answers = await self.store.answers(caller, names) if names else {}
        return Recalled(conversation, answers, limit_bytes)

    async def _remember(
        self, caller: str, asked: ResponsesRequest, earlier: list[Item], answer: Response
    ) -> None:
        # A conversation may be long.
        stored = await asyncio.to_thread(_stored, asked, earlier, answer)
        with suppress(ResponseStoreUnavailable), _available():  # it is in the log
            await self.store.save(caller, answer.id, stored)


class ResponseEndpoints:
    """`/v1/responses/{response_id}`.

    Args:
        store: has the answers; None: nothing is stored.
    """

    def __init__(self, store: ResponseStore | None) -> None:
        self._store = store

    async def read(self, request: Request) -> HttpResponse:
        """`GET`: the answer as it was.

        Raises:
            ResponseNotFound: it is unknown, another caller's or forgotten.
        """
        caller, name = caller_of(request.scope), request.path_params["response_id"]
        with _available():
            found = await self._store.answers(caller, [name]) if self._store else {}
        if name not in found:
            raise _not_found(name)
        return HttpResponse(found[name], media_type="application/json")

    async def delete(self, request: Request) -> HttpResponse:
        """`DELETE`: forgets it.

        Raises:
            ResponseNotFound: as for `read`.
        """
        caller, name = caller_of(request.scope), request.path_params["response_id"]
        with _available():
            deleted = self._store is not None and await self._store.delete(caller, name)
        if not deleted:
            raise _not_found(name)
        return HttpResponse(_encode(DeletedResponse(id=name)), media_type="application/json")


def _begun(keep: Keep, raw: dict[str, Any]) -> tuple[ResponsesRequest, CompletionRequest | None]:
    """A request that is read; None: it refers to what has to be found."""
    asked = request_of(raw)
    return asked, None if refers(asked) else completion_of(asked, keep=keep)


def _continued(
    asked: ResponsesRequest, recalled: Recalled, keep: Keep
) -> tuple[ResponsesRequest, list[Item], CompletionRequest]:
    """A request with the items that it refers to, the conversation before it, and both as a
    chat."""
    with _available():
        asked, earlier = recalled.resolved(asked), recalled.earlier()
    return asked, earlier, completion_of(asked, earlier, keep)


def _stored(asked: ResponsesRequest, earlier: list[Item], answer: Response) -> StoredResponse:
    own = asked.input
    if isinstance(own, str):
        own = [MessageItem(role="user", content=own)]
    return StoredResponse(_encode(answer), _encode([*earlier, *own, *answer.output]))


@contextmanager
def _available() -> Iterator[None]:
    """Raises `ResponseStoreUnavailable` where the store cannot be used."""
    try:
        yield
    except StoreError as error:
        _log.warning("the store of responses failed: %s", error)
        raise ResponseStoreUnavailable(
            "The store of responses is not available; try again later, or send the whole "
            "conversation.",
            headers={"retry-after": "1"},
        ) from error


def _not_found(name: str) -> ResponseNotFound:
    return ResponseNotFound(f"No response {name[:80]!r} is stored.", "response_id")
