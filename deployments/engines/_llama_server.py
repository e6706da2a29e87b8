"""llama.cpp's own server inside this process, and its blocking calls as streams of an event loop.

A call runs in a thread of its own; what has arrived by the time that the loop looks comes
together, and nothing waits for more. The server asks after each piece whether to go on, so a call
that is closed stops after the token, or the part of its prompt, that is being worked on. Requests
beyond the number of slots wait here, in the order of arrival, where they can be cancelled.

The server opens an HTTP listener whether it is wanted or not. It gets a socket file in a directory
that only this user may enter, which is deleted once the server runs, so that nobody can reach it.
"""

import asyncio
import secrets
import shutil
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import xllamacpp

from deployments.deadline import Within
from deployments.engines._llama_answers import Said
from deployments.engines._llama_errors import Refused, Stopped
from deployments.engines._llama_options import LlamaOptions, Pooling
from deployments.engines._slots import Slots
from deployments.engines._work_clock import WorkClock
from deployments.models.errors import ModelError
from deployments.protocol import ModelRequest

Ask = Callable[[bytes, Callable[[bytes], bool]], object]
"""A call of the server: takes a body, and what receives events and says whether to stop."""

_REFUSALS = (ValueError, RuntimeError, IndexError)
_LOG_ERRORS = 1
_KV_CACHE_TYPES = {
    "f16": xllamacpp.ggml_type.GGML_TYPE_F16,
    "q8_0": xllamacpp.ggml_type.GGML_TYPE_Q8_0,
}
_POOLINGS = {
    "cls": xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_CLS,
    "last": xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_LAST,
    "mean": xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN,
    "rank": xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK,
}


def server_parameters(
    model: Path, adapters: Sequence[Path], options: LlamaOptions, threads: int, listener: Path
) -> xllamacpp.CommonParams:
    """The server's parameters; the number of an adapter is its place in `adapters`."""
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    # At scale 0: each request says which one applies.
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), 0.0) for path in adapters]
    params.n_parallel = options.parallel_requests
    params.n_ctx = options.max_context_tokens * options.parallel_requests
    params.kv_unified = False  # each slot has its own part: none can take another's room
    # A pass has room for a token of each request, or llama.cpp ends the process.
    params.n_batch = params.n_ubatch = max(options.max_batch_tokens, options.parallel_requests)
    params.cache_type_k = params.cache_type_v = _KV_CACHE_TYPES[options.kv_cache_type]
    params.cache_ram_mib = 0  # prompts are kept in the slots, and not beside them in up to 8 GB
    params.cache_idle_slots = False
    if options.gpu_layers is not None:
        params.n_gpu_layers = options.gpu_layers
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.use_jinja = True
    params.prefill_assistant = False  # as the tokenizer's own template: an answer is a new message
    # Where the model's file does not say how to sample: as OpenAI's API does.
    params.sampling.temp, params.sampling.top_p = 1.0, 1.0
    params.sampling.top_k, params.sampling.min_p = 0, 0.0
    params.hostnames, params.api_keys = [str(listener)], [secrets.token_urlsafe()]
    params.n_threads_http, params.ui, params.endpoint_slots = 1, False, False
    params.endpoint_metrics = True
    params.sse_ping_interval = -1
    params.verbosity = _LOG_ERRORS
    return params


def _set_pooling(params: xllamacpp.CommonParams, options: LlamaOptions, pooling: Pooling) -> None:
    """Makes the server one that computes a vector or a score of each input."""
    params.embedding, params.pooling_type = True, _POOLINGS[pooling]
    params.n_batch = params.n_ubatch = options.inputs_batch_tokens
    if pooling != "last":
        # With a part of the cache for each slot, inputs of different lengths are cut, and the
        # vector is made of the last piece.
        params.kv_unified, params.n_ctx = True, params.n_ubatch * options.parallel_requests


def uses_gpu(options: LlamaOptions) -> bool:
    """Whether a part of the model is on a GPU, whose memory is another."""
    kinds = xllamacpp.ggml_backend_dev_type
    gpus = (kinds.GGML_BACKEND_DEVICE_TYPE_GPU, kinds.GGML_BACKEND_DEVICE_TYPE_IGPU)
    found = any(device["type"] in gpus for device in xllamacpp.get_device_info())
    return found and options.gpu_layers != 0


class LlamaServer:
    """A running server; loads the model when it is made, which takes a while.

    Args:
        model: the base's GGUF file.
        adapters: files in llama.cpp's format.
        options: those of the process.
        threads: of the forward passes.
        pooling: how it makes one vector or score of an input; None: it writes text.

    Raises:
        ModelError: llama.cpp cannot load the model.
    """

    def __init__(
        self,
        model: Path,
        adapters: Sequence[Path],
        options: LlamaOptions,
        threads: int,
        *,
        pooling: Pooling | None = None,
    ) -> None:
        folder = Path(tempfile.mkdtemp(prefix="niche-llama-"))
        try:
            listener = folder / "unused.sock"
            params = server_parameters(model, adapters, options, threads, listener)
            if pooling is not None:
                _set_pooling(params, options, pooling)
            self._server: xllamacpp.Server | None = xllamacpp.Server(params)
            # Waits until its loop runs: a server that is to end before that never does.
            self._server.handle_metrics()
        except (RuntimeError, MemoryError) as error:
            raise ModelError(
                f"{model}: llama.cpp cannot load it; its log says why. If it lacks memory, lower "
                "engine_options.parallel_requests or max_context_tokens"
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.slots = slots = options.parallel_requests
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="llama")
        self._slots = Slots(slots)
        self._calls: set[_Call] = set()
        self._clock = WorkClock()

    def chat(self, body: bytes) -> list[bytes]:
        """The events of the answer to a chat. Blocks; for the time before requests come.

        Raises:
            Refused: the server does not take it.
        """
        assert self._server is not None
        events: list[bytes] = []

        def receive(event: bytes) -> bool:
            events.append(event)
            return False

        try:
            self._server.handle_chat_completions(body, receive)
        except _REFUSALS as error:
            raise Refused(str(error)) from None
        return events

    async def answer(
        self, request: ModelRequest, body: bytes, read: Callable[[bytes], Said], within: Within
    ) -> AsyncGenerator[Said]:
        """What the server says to the body of a request's choice, as it comes. Closing it early
        stops the request.

        Raises:
            Refused: the server does not take it.
            Stopped: the server was stopped while it waited.
            Exception: what `read` raises.
        """
        async with within():
            slot = await self._slots.take(request.model, request.client)
        call = self._begin(request, body, read, slot)
        try:
            while True:
                async with within():
                    pieces = await call.take()
                for piece in pieces:
                    if piece is None:
                        call.raise_failure()
                        return
                    yield piece
        finally:
            call.cancel()
            self._calls.discard(call)

    def _begin(
        self, request: ModelRequest, body: bytes, read: Callable[[bytes], Said], slot: int
    ) -> "_Call":
        """Starts a call, which has a slot; it is free when the call's thread has left the
        server."""
        if self._server is None:
            self._slots.give_back(request.model, slot)
            raise Stopped
        call, ask = _Call(read, self._clock), _asked(self._server, request)
        thread = asyncio.get_running_loop().run_in_executor(self._threads, call.run, ask, body)
        thread.add_done_callback(lambda _: self._slots.give_back(request.model, slot))
        self._calls.add(call)
        return call

    def waiting(self, model: str) -> int:
        """Requests of the model that wait for a slot."""
        return self._slots.waiting(model)

    def stalled_seconds(self) -> float:
        """Seconds since the last piece of any answer, if one is awaited; else 0."""
        return self._clock.stalled_seconds()

    async def stop(self) -> None:
        """Stops every call, then the server."""
        server, self._server = self._server, None
        for call in self._calls:
            call.cancel()
        await asyncio.to_thread(self._threads.shutdown)
        del server  # the last reference: ends the server's loop and frees the model


def _asked(server: xllamacpp.Server, request: ModelRequest) -> Ask:
    """The server's call for a request."""
    if request.operation == "embedding":
        return lambda body, receive: receive(server.handle_embeddings(body))
    if request.operation == "rerank":
        return lambda body, receive: receive(server.handle_rerank(body))
    chat = request.operation == "chat"
    return server.handle_chat_completions if chat else server.handle_completions


class _Call:
    """One request in a thread, whose pieces a task of the loop takes."""

    def __init__(self, read: Callable[[bytes], Said], clock: WorkClock) -> None:
        self._read, self._clock = read, clock
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[Said | None] = deque()
        self._arrived = asyncio.Event()
        self._woken = self._cancelled = False
        self._failure: Exception | None = None

    def run(self, ask: Ask, body: bytes) -> None:
        """Asks the server; returns when it is done or was cancelled. For the thread."""
        self._clock.begin(self)
        try:
            if not self._cancelled:
                ask(body, self._receive)
        except _REFUSALS as error:
            self._failure = Refused(str(error))
        except Exception as error:  # noqa: BLE001 - raised again where the pieces are taken
            self._failure = error
        finally:
            self._clock.end(self)
            self._put(None)

    async def take(self) -> list[Said | None]:
        """The pieces that are there, or the next one; None ends them."""
        await self._arrived.wait()
        self._arrived.clear()
        self._woken = False  # before the pieces are taken: what comes later wakes again
        taken = []
        while self._pieces:
            taken.append(self._pieces.popleft())
        return taken

    def raise_failure(self) -> None:
        """Raises what ended the call, if it failed."""
        failure, self._failure = self._failure, None
        if failure is None:
            return
        try:
            raise failure
        finally:
            del failure  # which would keep itself alive, by this frame

    def cancel(self) -> None:
        """Lets the server stop at the next piece."""
        self._cancelled = True

    def _receive(self, data: bytes) -> bool:
        """Takes an event of the server; says whether to stop."""
        try:
            piece = self._read(data)
        except Exception as error:  # noqa: BLE001 - raised again where the pieces are taken
            self._failure = error
            return True
        self._clock.report(self, piece.worked)
        if piece.usage is not None:
            usage = replace(piece.usage, engine_seconds=self._clock.end(self))
            piece = replace(piece, usage=usage)
        self._put(piece)
        return self._cancelled or piece.usage is not None

    def _put(self, piece: Said | None) -> None:
        self._pieces.append(piece)
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self._arrived.set)
