"""Loads a base and its adapters into llama.cpp's server, after everything that can be wrong with
their files was looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.control_tokens import ControlTokens
from deployments.engine import EngineContext
from deployments.engines._llama_calling import calling_in
from deployments.engines._llama_memory import available_bytes, check_memory
from deployments.engines._llama_options import LlamaOptions, Pooling
from deployments.engines._llama_requests import ServedModel
from deployments.models.adapters import Adapter, adapters_of
from deployments.models.errors import ModelError
from deployments.models.gguf_file import TOKEN_TYPES, TOKENS, GgufHeader
from deployments.models.gguf_parts import read_model
from deployments.models.lora_gguf import adapter_gguf
from deployments.models.resolve_gguf import resolve_gguf
from deployments.prompt_room import PromptRoom, room_for
from deployments.protocol import Kind
from deployments.spec import ModelSpec

if TYPE_CHECKING:  # the library ends a process whose CPU lacks instructions: see `_llama_platform`
    from deployments.engines._llama_server import LlamaServer

_POOLINGS: Mapping[object, Pooling] = {1: "mean", 2: "cls", 3: "last"}  # by GGUF's numbers
_RANKING_HEAD = {"cls.weight", "cls.output.weight"}
_END_TOKEN = "tokenizer.ggml.eos_token_id"
_CHAT_TEMPLATE = "tokenizer.chat_template"
_TOKENIZER = "tokenizer.ggml.model"
_WHOLE_TEXT = ("gpt2", "llama")  # others drop spaces, accents, or words that they do not know
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4  # GGUF's types of tokens


@dataclass(frozen=True)
class Loaded:
    """A running server, and how each of its models answers."""

    server: "LlamaServer"
    models: Mapping[str, ServedModel]
    control_tokens: ControlTokens
    context_tokens: int
    room: PromptRoom
    architecture: str


def load(
    specs: Mapping[str, ModelSpec], options: Mapping[str, LlamaOptions], context: EngineContext
) -> Loaded:
    """Converts adapters that are new, and loads the model.

    Args:
        specs: the models by name, of one base.
        options: theirs, likewise.
        context: where files are kept.

    Raises:
        UnusableModels: adapters are absent, damaged, or cannot be converted.
        ModelError: the base is absent or damaged, or does not fit.
    """
    from deployments.engines._llama_server import LlamaServer, uses_gpu  # noqa: PLC0415 - see above

    first = next(iter(specs.values()))
    base = read_model(resolve_gguf(first.model, context.cache_dir), {TOKENS, TOKEN_TYPES})
    adapted = adapters_of(specs.values(), lambda of: adapter_gguf(of, base, context.cache_dir))
    adapters = {name: adapter for name, (adapter, _) in adapted.items()}
    files = {name: file for name, (_, file) in adapted.items()}
    shared = _within_training(options[first.name], base)
    pooling = _pooling(base, shared, first.kind)
    if not uses_gpu(shared):
        there = available_bytes()
        check_memory(base, set(files.values()), shared, there, whole_inputs=pooling is not None)
    numbers = {path: number for number, path in enumerate(dict.fromkeys(files.values()))}
    threads = shared.threads or max(1, int(first.resources.num_cpus))
    server = LlamaServer(base.path, list(numbers), shared, threads, pooling=pooling)
    end_token = base.metadata.get(_END_TOKEN)
    calling = shared.tool_calls or "prompted"
    if shared.tool_calls is None and first.kind == "generation":
        template = str(base.metadata.get(_CHAT_TEMPLATE, ""))
        calling = calling_in(base.path, template, end_token, server.chat)
    models = {}
    for name, spec in specs.items():
        served = _served(spec, options[name], adapters.get(name), _scales(numbers, files.get(name)))
        models[name] = replace(served, end_token=end_token, calling=calling)
    control, room = ControlTokens(_control_tokens(base)), _room(base, shared, pooling is None)
    return Loaded(server, models, control, shared.max_context_tokens, room, base.architecture)


def _room(base: GgufHeader, options: LlamaOptions, writes: bool) -> PromptRoom:
    # Of a model that embeds or ranks, that of a pass, which is no smaller.
    most = options.max_context_tokens if writes else options.inputs_batch_tokens
    return room_for(
        base.metadata.get(TOKENS, ()),
        most,
        drops=base.metadata.get(_TOKENIZER) not in _WHOLE_TEXT,
        hides_thoughts="</think>" in str(base.metadata.get(_CHAT_TEMPLATE, "")),
    )


def _within_training(options: LlamaOptions, base: GgufHeader) -> LlamaOptions:
    """The options with no more context than the model was trained for: the server answers no
    longer requests, and would reserve memory for them all the same."""
    context_tokens = min(options.max_context_tokens, base.of_architecture("context_length"))
    return options.model_copy(update={"max_context_tokens": context_tokens})


def _pooling(base: GgufHeader, options: LlamaOptions, kind: Kind) -> Pooling | None:
    """How one vector, or one score, is made of the tokens' vectors; None of a model that writes.

    Raises:
        ModelError: nobody says it, or the model ranks nothing.
    """
    if kind == "generation":
        return None
    if kind == "reranking":
        if not _RANKING_HEAD & base.tensors.keys():
            raise ModelError(f"{base.path}: ranks nothing; name a reranking model")
        return "rank"
    said = _POOLINGS.get(base.metadata.get(f"{base.architecture}.pooling_type"))
    if found := options.pooling or said:
        return found
    raise ModelError(
        f"{base.path}: does not say how to make one vector of a text; set engine_options.pooling "
        "as the model was trained, or name an embedding model"
    )


def _scales(numbers: Mapping[Path, int], applied: Path | None) -> tuple[dict[str, float], ...]:
    """The scale of each adapter: the server applies those that are not named as it likes."""
    return tuple(
        {"id": number, "scale": float(path == applied)} for path, number in numbers.items()
    )


def _served(
    spec: ModelSpec,
    options: LlamaOptions,
    adapter: Adapter | None,
    lora: tuple[dict[str, float], ...],
) -> ServedModel:
    if adapter is None:
        return ServedModel(options, spec.system_prompt, lora)
    system_prompt = spec.system_prompt or adapter.system_prompt
    return ServedModel(
        options,
        system_prompt,
        lora,
        adapter.complete,
        adapter.grammar,
        learned_calls=bool(adapter.functions),
    )


def _control_tokens(header: GgufHeader) -> list[str]:
    """The control tokens, with those that a file calls user-defined and llama.cpp knows by their
    form."""
    tokens, kinds = header.metadata.get(TOKENS, ()), header.metadata.get(TOKEN_TYPES, ())
    return [
        token
        for token, kind in zip(tokens, kinds, strict=False)
        if kind in (_UNKNOWN, _CONTROL) or (kind == _USER_DEFINED and token.startswith("<|"))
    ]
