"""A model on Ray Serve as a `Backend`. Ray's exceptions become `BackendError`s here and nowhere
else."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.protocol import (
    BackendError,
    Chunk,
    Load,
    ModelCard,
    Overloaded,
    Prompt,
    Unavailable,
)

__all__ = ["ServeBackend"]

_T = TypeVar("_T")

_RETRY_AFTER_SECONDS = 1.0


class ServeBackend:
    """Asks one Serve application.

    Args:
        name: the model's name, for errors.
        get_handle: returns the application's handle; asked for on first use, and again after a
            failure to find the application, so that a gateway may start before its models.
    """

    def __init__(self, name: str, get_handle: Callable[[], DeploymentHandle]) -> None:
        self._name, self._get_handle = name, get_handle
        self._handle: DeploymentHandle | None = None

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk]:
        """Yields the answer; leaving early cancels the request on the replica."""
        with self._translated():
            response = self._found().options(stream=True).stream.remote(prompt)
            ended = False
            try:
                async for chunk in response:
                    yield chunk
                ended = True
            finally:
                if not ended:
                    response.cancel()

    async def health(self) -> None:
        """Returns when a replica answers; one that is merely busy is healthy."""
        try:
            await self._ask(lambda handle: handle.health.remote())
        except Overloaded:
            return

    async def load(self) -> Load:
        """The record of one replica."""
        return await self._ask(lambda handle: handle.load.remote())

    async def model_card(self) -> ModelCard:
        """What is being served."""
        return await self._ask(lambda handle: handle.model_card.remote())

    async def _ask(self, call: Callable[[DeploymentHandle], Awaitable[_T]]) -> _T:
        with self._translated():
            return await call(self._found())

    def _found(self) -> DeploymentHandle:
        if self._handle is None:
            self._handle = self._get_handle()
        return self._handle

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except BackendError as error:
            # Under actor RPC it arrives wrapped in a RayTaskError that is also a BackendError.
            if isinstance(error, RayTaskError) and isinstance(error.cause, BackendError):
                raise error.cause from None
            raise
        except BackPressureError as error:
            raise Overloaded(self._name, error.args[0], _RETRY_AFTER_SECONDS) from error
        except (RayActorError, DeploymentUnavailableError) as error:
            raise Unavailable(self._name, "its replica is not alive") from error
        except RayServeException as error:
            self._handle = None
            raise Unavailable(self._name, "it is not deployed") from error
        except RayError as error:
            raise Unavailable(self._name, f"it failed ({type(error).__name__})") from error
