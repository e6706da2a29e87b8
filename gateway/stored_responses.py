"""`/v1/responses` with `gateway.response_store`: an answer is kept, so that a later request may
continue its conversation (`previous_response_id`), read it or delete it.

Rules: an answer is stored before its last byte is sent, since the next request may come at once;
one that cannot be stored is sent all the same.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

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
    BodyTooLarge,
    PreviousResponseNotFound,
    ResponseNotFound,
    ResponseStoreUnavailable,
    StoreError,
)
from gateway.response_store import ResponseStore, StoredResponse

_log = logging.getLogger("gateway.stored_responses")
_Result = TypeVar("_Result")

_encode = msgspec.json.Encoder().encode
_items = msgspec.json.Decoder(list[Item]).decode


class ResponseMemory:
    """The store on a thread of its own.

    Args:
        store: closed together with it.
    """

    def __init__(self, store: ResponseStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="response-store")

    async def run(self, task: Callable[[ResponseStore], _Result]) -> _Result:
        """Runs a task with the store.

        Raises:
            ResponseStoreUnavailable: it cannot be used.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, task, self._store)
        except StoreError as error:
            _log.warning("the store of responses failed: %s", error)
            raise ResponseStoreUnavailable(
                "The store of responses is not available; try again later, or send the whole "
                "conversation.",
                headers={"retry-after": "1"},
            ) from error

    def close(self) -> None:
        """Closes the store once all calls are finished."""
        self._thread.shutdown()
        self._store.close()


Keep = Callable[[Response], None]


@dataclass(frozen=True)
class StoredResponses:
    """`POST /v1/responses`.

    Attributes:
        completions: answers requests.
        memory: keeps the answers.
    """

    completions: Completions
    memory: ResponseMemory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        limits, caller = self.completions.dependencies.config.gateway, caller_of(scope)
        ended: list[Response] = []
        asked, begun = await read_parsed(scope, receive, limits, partial(_begun, ended.append))
        if begun is not None:
            earlier, request = list[Item](), begun
        else:
            task = partial(_continued, asked, caller, limits.max_body_bytes, ended.append)
            earlier, request = await self.memory.run(task)

        async def remembering(message: Message) -> None:
            if ended and message["type"] == "http.response.body" and not message.get("more_body"):
                with suppress(ResponseStoreUnavailable):  # it is in the log
                    await self.memory.run(partial(_remember, caller, asked, earlier, ended.pop()))
            await send(message)

        await self.completions.answer(request, scope, receive, remembering)


class ResponseEndpoints:
    """`/v1/responses/{response_id}`.

    Args:
        memory: has the answers; None: nothing is stored.
    """

    def __init__(self, memory: ResponseMemory | None) -> None:
        self._memory = memory

    async def read(self, request: Request) -> HttpResponse:
        """`GET`: the answer as it was.

        Raises:
            ResponseNotFound: it is unknown, another caller's or forgotten.
        """
        caller, name = caller_of(request.scope), request.path_params["response_id"]
        memory = self._memory
        found = await memory.run(lambda store: store.find(caller, name)) if memory else None
        if found is None:
            raise _not_found(name)
        return HttpResponse(found.answer, media_type="application/json")

    async def delete(self, request: Request) -> HttpResponse:
        """`DELETE`: forgets it.

        Raises:
            ResponseNotFound: as for `read`.
        """
        caller, name = caller_of(request.scope), request.path_params["response_id"]
        memory = self._memory
        if memory is None or not await memory.run(lambda store: store.delete(caller, name)):
            raise _not_found(name)
        return HttpResponse(_encode(DeletedResponse(id=name)), media_type="application/json")


def _begun(keep: Keep, raw: dict[str, Any]) -> tuple[ResponsesRequest, CompletionRequest | None]:
    """A request that is read; None: it continues a conversation that has to be found."""
    asked = request_of(raw)
    continues = asked.previous_response_id is not None
    return asked, None if continues else completion_of(asked, keep=keep)


def _continued(
    asked: ResponsesRequest, caller: str, limit_bytes: int, keep: Keep, store: ResponseStore
) -> tuple[list[Item], CompletionRequest]:
    """The conversation before a request, and the request with it."""
    name = asked.previous_response_id or ""
    found = store.find(caller, name)
    if found is None:
        raise PreviousResponseNotFound(
            f"previous_response_id: no response {name[:80]!r} is stored.", "previous_response_id"
        )
    if len(found.items) > limit_bytes:
        raise BodyTooLarge(f"The conversation exceeds {limit_bytes} bytes.", "previous_response_id")
    try:
        earlier = _items(found.items)
    except msgspec.MsgspecError as error:
        raise StoreError(f"response {name!r} cannot be read: {error}") from error
    return earlier, completion_of(asked, earlier, keep)


def _remember(
    caller: str,
    asked: ResponsesRequest,
    earlier: list[Item],
    answer: Response,
    store: ResponseStore,
) -> None:
    own = asked.input
    if isinstance(own, str):
        own = [MessageItem(role="user", content=own)]
    conversation = [*earlier, *own, *answer.output]
    store.save(caller, answer.id, StoredResponse(_encode(answer), _encode(conversation)))


def _not_found(name: str) -> ResponseNotFound:
    return ResponseNotFound(f"No response {name[:80]!r} is stored.", "response_id")
