"""The engine interface. An engine is a file in `deployments/engines/` with `create`.

`create(specs, context)` returns an `Engine` for the models of one process: a single one, unless the
engine is in `SHARED_ENGINES` (`deployments/spec.py`). An engine that knows text alone is a
`TextEngine` (`deployments/generation.py`) inside a `TextBackend`. An engine validates its
`engine_options` with a frozen pydantic model (`parse_options`), adds the spec's system prompt
(`with_system_prompt`), and counts the work for each model with a `LoadRecorder`.
"""

import asyncio
import importlib
import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, cast

from pydantic import BaseModel, ValidationError

from deployments.protocol import (
    KINDS,
    Backend,
    BackendError,
    InvalidPrompt,
    Load,
    ModelRequest,
    Unavailable,
)
from deployments.spec import ModelSpec

_log = logging.getLogger("deployments.engine")

Options = TypeVar("Options", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class EngineContext:
    """The machine-specific settings of an engine.

    Attributes:
        cache_dir: the directory of model files.
        here: whether this machine is to run it; False where its options are only checked.
    """

    cache_dir: Path
    here: bool = True


class Engine(Backend, Protocol):
    """A backend that holds its models; it is started once and stopped once."""

    async def start(self) -> None:
        """Loads the weights; may take minutes.

        Raises:
            UnusableModels: some models cannot be used; an engine without these may start.
            Exception: none can be.
        """

    async def alive(self) -> None:
        """Raises `Unavailable` if only a restart can repair this engine.

        Weaker than `health`: an engine whose upstream is down is not healthy, but a restart does
        not help.
        """

    async def stop(self) -> None:
        """Frees all resources; requests in flight fail with `Unavailable` or are cancelled."""


class LiveEngine(Engine, Protocol):
    """An engine of `LIVE_ENGINES`: its models may change while it runs."""

    async def update(self, specs: Sequence[ModelSpec]) -> None:
        """Comes to other models, of the same base and options of the process. Requests under way
        are answered to their end, also those of models that leave.

        Raises:
            ValueError, ModelError: the models cannot be served; all is as before.
        """


def create_engine(specs: Sequence[ModelSpec], context: EngineContext) -> Engine:
    """Builds the engine that serves these models in one process, without loading weights.

    Raises:
        ValueError: an engine option is unknown or wrong; the message names `engine_options.KEY`.
    """
    module = importlib.import_module(f"deployments.engines.{specs[0].engine}")
    return cast(Engine, module.create(specs, context))


def create_engines(specs: Mapping[str, ModelSpec], context: EngineContext) -> dict[str, Engine]:
    """Builds an engine for each model alone, by its name.

    Raises:
        ValueError: a line for each model whose options are wrong.
    """
    engines, faults = {}, []
    for name, spec in specs.items():
        try:
            engines[name] = create_engine([spec], context)
        except ValueError as error:
            faults.append(f"model {name!r}: {error}")
    if faults:
        raise ValueError("\n".join(faults))
    return engines


def parse_options(model: type[Options], spec: ModelSpec) -> Options:
    """Validates `spec.engine_options` with the engine's own model.

    Raises:
        ValueError: one line per error, each naming `engine_options.KEY`.
    """
    try:
        return model.model_validate(spec.engine_options)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            key = ".".join(("engine_options", *(str(part) for part in fault["loc"])))
            unknown = fault["type"] == "extra_forbidden"
            allowed = f"unknown key; allowed: {', '.join(model.model_fields)}"
            lines.append(f"{key}: {allowed if unknown else fault['msg']} (engine {spec.engine!r})")
        raise ValueError("\n".join(lines)) from error


def require_kind(spec: ModelSpec, request: ModelRequest, *, streamed: bool = False) -> None:
    """Raises `InvalidPrompt` if a model of this kind does not serve the request, or not so. An
    engine that counts tokens does so before it asks."""
    if spec.kind != KINDS[request.operation]:
        raise InvalidPrompt("model", f"model {spec.name!r} is of kind {spec.kind}; name another")
    if request.operation == "count_tokens":
        raise InvalidPrompt("model", f"engine {spec.engine} does not count tokens; name another")
    if streamed and spec.kind != "generation":
        raise InvalidPrompt("stream", "only text is streamed; leave it out")


@contextmanager
def faults_translated(model: str, request: ModelRequest) -> Iterator[None]:
    """Turns any fault of the engine of `model` in the block into a `BackendError`."""
    try:
        yield
    except BackendError:
        raise
    except Exception as error:  # noqa: BLE001 - translates any error of an engine
        # The caller's process may not be able to import the exception's class.
        fields = {"request_id": request.request_id, "model": model}
        _log.exception("an engine failed", extra={"fields": fields})
        raise Unavailable(model, f"its engine failed: {type(error).__name__}") from None


class Work:
    """The work on one request; the engine sets `finished` before it yields its last output."""

    def __init__(self) -> None:
        self.finished = False
        self.tokens = 0


class LoadRecorder:
    """Counts an engine's requests. A request completes, fails, or is cancelled."""

    def __init__(self, recent: int = 256) -> None:
        self._running = self._completed = self._cancelled = self._failed = self._tokens = 0
        self._recent: deque[tuple[str, Work]] = deque(maxlen=recent)

    @contextmanager
    def track(self, request_id: str) -> Iterator[Work]:
        """Counts the request as running inside the block, then by how the block ends."""
        work = Work()
        self._running += 1
        self._recent.append((request_id, work))
        try:
            yield work
        except (GeneratorExit, asyncio.CancelledError):
            # A consumer that stops after the last output has the whole answer.
            self._cancelled += not work.finished
            self._completed += work.finished
            raise
        except BaseException:
            self._failed += 1
            raise
        else:
            self._completed += 1
        finally:
            self._running -= 1
            self._tokens += work.tokens

    def load(self, queued: int = 0, slots: int | None = None) -> Load:
        """The counts so far; `queued` is the engine's number of waiting requests, `slots` how many
        it works on at once."""
        return Load(
            running=self._running,
            queued=queued,
            completed=self._completed,
            cancelled=self._cancelled,
            failed=self._failed,
            generated_tokens=self._tokens,
            recent_tokens={request_id: work.tokens for request_id, work in self._recent},
            slots=slots,
        )
