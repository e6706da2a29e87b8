"""Applications on Ray Serve, and the models of one as a `Backend`. Ray's exceptions become
`BackendError`s here and nowhere else."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext, suppress
from types import MappingProxyType
from typing import TypeVar

import grpc
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.frames import decode_chunk, encode_request
from deployments.limiter import Limiter
from deployments.protocol import (
    BackendError,
    Chunk,
    Load,
    ModelCard,
    ModelRequest,
    Overloaded,
    Unavailable,
)

_T = TypeVar("_T")

_RETRY_AFTER_SECONDS = 1.0
_HEALTH_SECONDS = 1.0
_FRAMES = {"request_serialization": "pickle", "response_serialization": "pickle"}
"""Serve's default serializes any object, at ten times the cost for bytes."""


class ServeApplication:
    """Asks one Serve application.

    Args:
        name: what it is called in errors that are about no model.
        get_handle: returns the application's handle; asked for on first use, and again after a
            failure to find the application, so that a gateway may start before its models.
        may_sleep: whether it may have no replica.
    """

    def __init__(
        self,
        name: str,
        get_handle: Callable[[], DeploymentHandle],
        *,
        may_sleep: bool = False,
    ) -> None:
        self._name, self._get_handle, self._may_sleep = name, get_handle, may_sleep
        self._handle: DeploymentHandle | None = None

    async def health(self, model: str | None = None) -> None:
        """Returns when one of the replicas does not report itself, or one of its models,
        unavailable.

        A health check waits in a replica's queue like any request: a late answer means a busy
        replica, and Serve itself checks that it is alive.
        """
        with suppress(TimeoutError, Overloaded), self._translated(model):
            async with asyncio.timeout(_HEALTH_SECONDS):
                await self._ask_replicas(model)

    async def _ask_replicas(self, model: str | None) -> None:
        # Only a broadcast neither starts a replica nor waits for one. It asks those to which Serve
        # routes requests; the controller tells the handle about every change.
        arguments = () if model is None else (model,)
        try:
            responses = self._found(model).broadcast("health", *arguments)
            verdicts = await responses.results_async(return_exceptions=True)
        except DeploymentUnavailableError as error:
            if self._may_sleep:
                return
            raise Unavailable(model or self._name, "no replica of it is running") from error
        failures = [verdict for verdict in verdicts if isinstance(verdict, Exception)]
        if len(failures) == len(verdicts):
            raise failures[0]

    async def ask(self, call: Callable[[DeploymentHandle], Awaitable[_T]]) -> _T:
        """What a call of one of its methods returns.

        Raises:
            BackendError: the method's own, or what Ray's failure amounts to.
        """
        with self._translated():
            return await call(self._found())

    def _found(self, model: str | None = None) -> DeploymentHandle:
        if self._handle is None:
            try:
                self._handle = self._get_handle()
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
            raise Unavailable(name, "its replica is not alive") from error
        except RayServeException as error:
            self._handle = None
            raise Unavailable(name, "it is not deployed") from error
        except RayError as error:
            raise Unavailable(name, f"it failed ({type(error).__name__})") from error
        except grpc.aio.AioRpcError as error:
            # Serve makes a Ray error of a replica that is out of reach, and of no other failure.
            raise Unavailable(name, f"its transport failed ({error.code().name})") from error


class ServeBackend(ServeApplication):
    """The application of a pool as a `Backend`.

    Args:
        name, get_handle, may_sleep: as of a `ServeApplication`.
        limiters: of the models that share the application, by name; Serve keeps the limits of a
            model that does not.
    """

    def __init__(
        self,
        name: str,
        get_handle: Callable[[], DeploymentHandle],
        *,
        may_sleep: bool = False,
        limiters: Mapping[str, Limiter] = MappingProxyType({}),
    ) -> None:
        super().__init__(name, get_handle, may_sleep=may_sleep)
        self._limiters = limiters

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """Yields the answer; leaving early cancels the request on the replica."""
        model = request.model
        async with self._slot(model):
            with self._translated(model):
                method = self._found(model).options(
                    method_name="stream_frames", stream=True, **_FRAMES
                )
                response = method.remote(encode_request(request))
                ended = False
                try:
                    async for frame in response:
                        yield decode_chunk(frame)
                    ended = True
                finally:
                    if not ended:
                        response.cancel()

    async def complete(self, request: ModelRequest) -> Chunk:
        """The whole answer; cancelling the call cancels the request on the replica."""
        model = request.model
        async with self._slot(model):
            with self._translated(model):
                method = self._found(model).options(method_name="complete_frame", **_FRAMES)
                response = method.remote(encode_request(request))
                try:
                    return decode_chunk(await response)
                except asyncio.CancelledError:
                    response.cancel()
                    raise

    async def load(self, model: str) -> Load:
        """The record of one replica."""
        return await self.ask(lambda handle: handle.load.remote(model))

    async def cards(self) -> tuple[ModelCard, ...]:
        """What is being served."""
        return await self.ask(lambda handle: handle.cards.remote())

    def _slot(self, model: str) -> AbstractAsyncContextManager[None]:
        limiter = self._limiters.get(model)
        return nullcontext() if limiter is None else limiter.slot()
