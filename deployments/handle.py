"""Applications on Ray Serve, and the models of one as a `Backend`. Ray's exceptions become
`BackendError`s here and nowhere else."""

import asyncio
import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager, nullcontext, suppress
from typing import Any, TypeVar, cast

import grpc
from ray import serve
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.affinity import ranks
from deployments.frames import decode_chunk, encode_request
from deployments.limiter import Limiter
from deployments.prompt_room import PromptRoom
from deployments.protocol import (
    STARTING,
    BackendError,
    Chunk,
    EngineStats,
    Load,
    ModelCard,
    ModelRequest,
    Overloaded,
    Unavailable,
)
from deployments.replica_client import BrokeOff, NotTaken, Replica, ReplicaClient
from deployments.server import ReplicaReport

_T = TypeVar("_T")

_RETRY_AFTER_SECONDS = 1.0
_HEALTH_SECONDS = 1.0
_TOLD_SECONDS = 0.5
"""Longer than Serve names no replica while it tells the only one which models it has."""
_REASON_SECONDS = 3.0
"""How old the reason may be why an application has no replica."""
_MODULES = re.compile(r"^(?:\w+\.)+(?=\w+:)")
_NO_REPLICA = "no replica of it is running"
_MISSES = 2
"""Signs of life in a row that a replica fails to give, until it is left."""
_REST_SECONDS = 30.0
"""How long a port that took no request is left alone."""
_FRAMES = {"request_serialization": "pickle", "response_serialization": "pickle"}
"""Serve's default serializes any object, at ten times the cost for bytes."""


class ServeApplication:
    """Asks one Serve application.

    Args:
        name: what it is called in errors that are about no model.
        get_handle: returns the application's handle; asked for on first use, and again after a
            failure to find the application, so that a gateway may start before its models.
        may_sleep: whether it may have no replica.
        why_down: why no replica runs; it may ask the controller, and wait.
    """

    def __init__(
        self,
        name: str,
        get_handle: Callable[[], DeploymentHandle],
        *,
        may_sleep: bool = False,
        why_down: Callable[[], str] = lambda: _NO_REPLICA,
    ) -> None:
        self._name, self._get_handle, self._may_sleep = name, get_handle, may_sleep
        self._why_down = why_down
        self._reason_down, self._told = STARTING, -math.inf
        self._learning: asyncio.Task[None] | None = None  # kept, or it may be collected
        self._handle: DeploymentHandle | None = None

    async def health(self) -> None:
        """Returns when one of the replicas does not report itself unavailable.

        A health check waits in a replica's queue like any request: a late answer means a busy
        replica, and Serve itself checks that it is alive.
        """
        with suppress(TimeoutError, Overloaded), self._translated():
            async with asyncio.timeout(_HEALTH_SECONDS):
                _require_one(await self._ask_replicas("health"))

    async def _ask_replicas(self, method: str) -> list[Any]:
        """What each replica returns or raises; nothing of one that sleeps."""
        # Only a broadcast neither starts a replica nor waits for one. It asks those to which Serve
        # routes requests; the controller tells the handle about every change.
        try:
            responses = (await self._found()).broadcast(method)
            return list(await responses.results_async(return_exceptions=True))
        except DeploymentUnavailableError as error:
            if self._may_sleep:
                return []
            raise Unavailable(self._name, self._reason()) from error

    def _reason(self) -> str:
        """Why no replica runs, as far as is known; asks the controller in the background, since a
        health check that has to wait for it would pass."""
        now = asyncio.get_running_loop().time()
        if now - self._told > _REASON_SECONDS:
            self._told = now
            self._learning = asyncio.create_task(self._learn())
        return self._reason_down

    async def _learn(self) -> None:
        with suppress(RayError, RayServeException):
            self._reason_down = await asyncio.to_thread(self._why_down)

    async def ask(self, call: Callable[[DeploymentHandle], Awaitable[_T]]) -> _T:
        """What a call of one of its methods returns.

        Raises:
            BackendError: the method's own, or what Ray's failure amounts to.
        """
        with self._translated():
            return await call(await self._found())

    async def _found(self, model: str | None = None) -> DeploymentHandle:
        if self._handle is None:
            try:
                # It asks the controller, and would keep the loop waiting.
                self._handle = await asyncio.to_thread(self._get_handle)
            except KeyError as error:  # what Serve raises for a deployment that it does not know
                raise Unavailable(model or self._name, "it is not deployed") from error
        return self._handle

    @contextmanager
    def _translated(self, model: str | None = None) -> Iterator[None]:
        name = model or self._name
        try:
            yield
        except BackendError as error:
            # Under actor RPC it arrives wrapped in a RayTaskError that is also a BackendError.
            if isinstance(error, RayTaskError) and isinstance(error.cause, BackendError):
                raise error.cause from None
            raise
        except BackPressureError as error:
            raise Overloaded(name, error.args[0], _RETRY_AFTER_SECONDS) from error
        except (RayActorError, DeploymentUnavailableError) as error:
            kind = BrokeOff if isinstance(error, RayActorError) else Unavailable
            raise kind(name, "its replica is not alive") from error
        except RayServeException as error:
            self._handle = None
            raise Unavailable(name, "it is not deployed") from error
        except RayError as error:
            raise Unavailable(name, f"it failed ({type(error).__name__})") from error
        except grpc.aio.AioRpcError as error:
            # Serve makes a Ray error of a replica that is out of reach, and of no other failure.
            raise Unavailable(name, f"its transport failed ({error.code().name})") from error


def why_down(app: str, deployment: str) -> str:
    """Why no replica of a deployment runs, as the controller tells it."""
    found = serve.status().applications.get(app)
    status = None if found is None else found.deployments.get(deployment)
    if status is None:
        return "it is not deployed"
    message, _, error = status.message.partition("Error:\n")
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    if lines:
        return f"it did not start: {_MODULES.sub('', lines[-1])}"
    return f"{STARTING}: {message.strip()}" if message.strip() else STARTING


def _require_one(verdicts: Sequence[Any]) -> None:
    """Raises the first failure if all failed."""
    failures = [verdict for verdict in verdicts if isinstance(verdict, Exception)]
    if verdicts and len(failures) == len(verdicts):
        raise failures[0]


class ServeBackend(ServeApplication):
    """The application of a pool as a `Backend`.

    Replicas that have a port are asked there: the one that holds the beginning of the conversation,
    unless it has more requests of this process than others; Serve's handle is for those that have
    none, for a replica that starts, and for one that no report has named yet.

    Args:
        name, get_handle, may_sleep, why_down: as of a `ServeApplication`.
        limiter: of its models; None: no limits but Serve's.
        client: asks replicas at their ports; None: by the handle alone.

    Attributes:
        limiter: as given; another takes effect with the next request.
        engine_stats: what the replicas' engines told when their health was last asked.
        room: for prompts, as the replicas told last.
    """

    def __init__(
        self,
        name: str,
        get_handle: Callable[[], DeploymentHandle],
        *,
        may_sleep: bool = False,
        why_down: Callable[[], str] = lambda: _NO_REPLICA,
        limiter: Limiter | None = None,
        client: ReplicaClient | None = None,
    ) -> None:
        super().__init__(name, get_handle, may_sleep=may_sleep, why_down=why_down)
        self.limiter, self._client = limiter, client
        self._never_up: str | None = None  # why, as far as is known
        self._was_up = False
        self.engine_stats: tuple[EngineStats, ...] = ()
        self.room: PromptRoom | None = None
        self._asking: asyncio.Task[list[Any]] | None = None
        self._listening: asyncio.Task[bool] | None = None
        self._replicas: dict[str, tuple[Replica, ReplicaReport]] = {}
        self._refused: dict[tuple[str, str], float] = {}  # address and token, and when

    async def health(self, model: str) -> None:  # type: ignore[override]  # it has several models
        """Returns when one of the replicas does not report the model unavailable.

        The models of a pool share one question to each replica, which also tells its port. Where
        the answer is late, a replica has to say something at its port: one that is stopped, or
        whose machine is, does not.
        """
        try:
            with suppress(Overloaded), self._translated(model):
                _require_one([_verdict(report, model) for report in await self._reports()])
        except TimeoutError:
            await self._require_sign(model)

    async def _require_sign(self, model: str) -> None:
        if self._listening is None:  # once for all models that wait for the same report
            self._listening = asyncio.create_task(self._listen())
            self._listening.add_done_callback(self._listened)
        if not await asyncio.shield(self._listening):
            raise Unavailable(model, "no replica of it gives a sign of life")

    def _listened(self, _task: asyncio.Task[bool]) -> None:
        self._listening = None

    async def _listen(self) -> bool:
        """Whether there may be a replica that lives."""
        client, replicas = self._client, [replica for replica, _ in self._replicas.values()]
        if client is None or not replicas:
            return True
        signs = await asyncio.gather(*map(client.lives, replicas))
        for replica, sign in zip(replicas, signs, strict=True):
            replica.misses = 0 if sign else replica.misses + 1
            if replica.misses >= _MISSES:
                replica.silent = True
                replica.lost()
        return any(replica.misses < _MISSES for replica in replicas)

    async def _reports(self) -> list[Any]:
        return await asyncio.shield(self._begin_to_ask())

    def _begin_to_ask(self) -> asyncio.Task[list[Any]]:
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_for_reports())
            self._asking.add_done_callback(self._asked)
        return self._asking

    def _asked(self, task: asyncio.Task[list[Any]]) -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # who waits gets it, if anybody still does

    async def _ask_for_reports(self) -> list[Any]:
        method = "report_with_port" if self._client else "report"
        async with asyncio.timeout(_HEALTH_SECONDS):
            try:
                reports = await self._ask_replicas(method)
            except Unavailable as error:
                if not self._was_up:
                    self._never_up = error.reason
                if not self._replicas:
                    raise
                await asyncio.sleep(_TOLD_SECONDS)
                reports = await self._ask_replicas(method)
        self._was_up, self._never_up = True, None
        self._tell_limiter(reports)
        since = asyncio.get_running_loop().time() - _REST_SECONDS
        self._refused = {port: when for port, when in self._refused.items() if when > since}
        told = [report for report in reports if isinstance(report, ReplicaReport)]
        self.room = _widest([of.room for of in told])
        self.engine_stats = tuple(report.engine for report in told if report.engine is not None)
        self._replicas = {
            report.url: (self._known(report.url, report.token), report)
            for report in told
            if report.url is not None and (report.url, report.token) not in self._refused
        }
        return reports

    def _tell_limiter(self, reports: Sequence[Any]) -> None:
        told = [report for report in reports if isinstance(report, ReplicaReport)]
        if self.limiter is None or (reports and not told):  # all failed: what was told before holds
            return
        running = sum((Counter(of.running) for of in told), Counter())
        slots = [of.slots for of in told if of.slots is not None]
        self.limiter.told(sum(slots) if len(slots) == len(told) else None, running)

    def _known(self, url: str, token: str) -> Replica:
        known, _ = self._replicas.get(url, (None, None))
        if known is None or known.token != token:
            return Replica(url, token)
        known.silent, known.misses = False, 0
        return known

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """Yields the answer; leaving early cancels the request on the replica. Where a replica
        breaks off before its first chunk, another is asked, once."""
        async with self._slot(request):
            begun = False
            try:
                async with aclosing(self._stream_once(request)) as chunks:
                    async for chunk in chunks:
                        begun = begun or bool(chunk.data)
                        yield chunk
                return
            except BrokeOff:
                if begun:
                    raise
            async with aclosing(self._stream_once(request)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _stream_once(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        for client, replica in self._at_ports(request):
            with self._unless_gone(replica):
                async with aclosing(client.stream(replica, request)) as chunks:
                    async for chunk in chunks:
                        replica.answered()
                        yield chunk
                return
        async with aclosing(self._stream_by_handle(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def complete(self, request: ModelRequest) -> Chunk:
        """The whole answer; cancelling the call cancels the request on the replica. Where a replica
        breaks off, another is asked, once: nothing was sent."""
        async with self._slot(request):
            try:
                return await self._complete_once(request)
            except BrokeOff:
                return await self._complete_once(request)

    async def _complete_once(self, request: ModelRequest) -> Chunk:
        for client, replica in self._at_ports(request):
            with self._unless_gone(replica):
                chunk = await client.complete(replica, request)
                replica.answered()
                return chunk
        return await self._complete_by_handle(request)

    def _at_ports(self, request: ModelRequest) -> Iterator[tuple[ReplicaClient, Replica]]:
        """The replicas that can be asked: first those that answer, and of these those that suit the
        conversation best."""
        if self._client is None:
            return
        able = [
            replica
            for replica, report in self._replicas.values()
            if report.models.get(request.model, "it does not serve it") is None
        ]
        for silent in (False, True):
            asked = {replica.url: replica for replica in able if replica.silent == silent}
            rank = ranks({url: replica.ongoing for url, replica in asked.items()}, request)
            for url in sorted(rank, key=rank.__getitem__):
                yield self._client, asked[url]

    @contextmanager
    def _unless_gone(self, replica: Replica) -> Iterator[None]:
        """Passes over a replica that takes no requests, and lets its port rest, since a network
        that lets nothing through costs seconds; puts one last that answered nobody while somebody
        waited in vain."""
        before = replica.answers
        try:
            yield
        except BrokeOff:
            if not replica.misses:  # one that hangs stays, for its health to be seen
                self._replicas.pop(replica.url, None)
            raise
        except NotTaken:
            self._replicas.pop(replica.url, None)
            self._refused[replica.url, replica.token] = asyncio.get_running_loop().time()
        except (asyncio.CancelledError, GeneratorExit):
            replica.silent = replica.answers == before
            raise

    async def _stream_by_handle(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        self._require_up(request.model)
        with self._translated(request.model):
            handle = await self._found(request.model)
            method = handle.options(method_name="stream_frames", stream=True, **_FRAMES)
            response = method.remote(encode_request(request))
            ended = False
            try:
                async for frame in response:
                    yield decode_chunk(frame)
                ended = True
            finally:
                if not ended:
                    response.cancel()

    async def _complete_by_handle(self, request: ModelRequest) -> Chunk:
        self._require_up(request.model)
        with self._translated(request.model):
            method = (await self._found(request.model)).options(
                method_name="complete_frame", **_FRAMES
            )
            response = method.remote(encode_request(request))
            try:
                return decode_chunk(await response)
            except asyncio.CancelledError:
                response.cancel()
                raise

    def _require_up(self, model: str) -> None:
        """Raises `Unavailable` if no replica was ever there: Serve would have the request wait for
        the first, which may not come. Between two replicas it waits."""
        if self._never_up is not None:
            raise Unavailable(model, self._never_up)

    async def load(self, model: str) -> Load:
        """The record of one replica."""
        return await self.ask(lambda handle: handle.load.remote(model))

    async def cards(self) -> tuple[ModelCard, ...]:
        """What is being served."""
        return await self.ask(lambda handle: handle.cards.remote())

    def expected_wait(self, model: str) -> float:
        """See `TellsExpectedWait`."""
        return 0.0 if self.limiter is None else self.limiter.expected_wait(model)

    def _slot(self, request: ModelRequest) -> AbstractAsyncContextManager[None]:
        if self.limiter is None:
            return nullcontext()
        if self.limiter.wants_news:
            self._begin_to_ask()
        return self.limiter.slot(request)


def _widest(rooms: Sequence[PromptRoom | None]) -> PromptRoom | None:
    """The room of the replica that has most; None if one does not say, or there is none."""
    known = [room for room in rooms if room is not None]
    if not known or len(known) < len(rooms):
        return None
    return max(known, key=lambda room: room.context_tokens)


def _verdict(report: Any, model: str) -> Exception | None:
    """What a replica's report means for a model."""
    if not isinstance(report, ReplicaReport):
        return cast(Exception, report)
    reason = report.models.get(model, "its replica does not serve it")
    return None if reason is None else Unavailable(model, reason)
