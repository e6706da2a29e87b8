"""A handle that behaves as Serve's does, and the reports of its replicas."""

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from typing import Any

from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import DeploymentUnavailableError

from deployments.frames import encode_chunk
from deployments.protocol import Chunk
from deployments.server import ReplicaReport

SQL = DeploymentID("sql", "model-sql")


class Response:
    """What a call returns: frames of chunks to iterate or one to await, an error in their place, or
    silence, and `cancel`."""

    def __init__(self, *steps: Chunk | Exception | asyncio.Event) -> None:
        self._steps, self.cancelled = steps, 0

    def cancel(self) -> None:
        self.cancelled += 1

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, asyncio.Event):
                await step.wait()
            else:
                yield encode_chunk(step)

    def __await__(self) -> Generator[Any, None, bytes]:
        return anext(aiter(self)).__await__()


class Method:
    """A method of the handle: `remote` returns, raises or awaits what it was given."""

    def __init__(self, result: Any, handle: "Handle") -> None:
        self._result, self._handle = result, handle

    def remote(self, *arguments: Any) -> Any:
        self._handle.asked += 1
        self._handle.calls.extend(arguments)
        if isinstance(self._result, Response):
            return self._result
        return self._answer()

    async def _answer(self) -> Any:
        if isinstance(self._result, asyncio.Event):
            await self._result.wait()
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


class Broadcast:
    """What a broadcast returns: each replica's verdict, or Serve's word that there is none."""

    def __init__(self, verdicts: Sequence[Any]) -> None:
        self._verdicts = verdicts

    async def results_async(self, *, return_exceptions: bool) -> list[Any]:
        assert return_exceptions
        if not self._verdicts:
            raise DeploymentUnavailableError(SQL)
        for verdict in self._verdicts:
            if isinstance(verdict, asyncio.Event):
                await verdict.wait()
        return list(self._verdicts)


WELL = ReplicaReport({"sql": None})
ILL = ReplicaReport({"sql": "no weights"})
OTHER = ReplicaReport({"math": None})


class Handle:
    """A `DeploymentHandle` as far as a backend uses it; it has a replica per verdict, which
    broadcasts return."""

    def __init__(self, result: Any, verdicts: Sequence[Any] = (WELL,)) -> None:
        self.calls: list[Any] = []
        self.asked, self.called, self.verdicts = 0, ("", False), verdicts
        self.broadcasts = 0
        self._method = self.load = self.cards = Method(result, self)

    def options(self, *, method_name: str, stream: bool = False, **serialization: str) -> Method:
        self.called = (method_name, stream)
        return self._method

    def broadcast(self, method: str) -> Broadcast:
        assert method in ("report", "report_with_port")
        self.broadcasts += 1
        return Broadcast(self.verdicts)
