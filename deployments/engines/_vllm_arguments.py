"""From the models of a process to the arguments of `vllm serve`, by vLLM's own parser."""

import dataclasses
import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from vllm.entrypoints.launchers.cli_args import (
    BaseFrontendArgs,
    FrontendArgs,
    make_arg_parser,
    validate_parsed_serve_args,
)
from vllm.platforms import current_platform
from vllm.utils.argparse_utils import FlexibleArgumentParser

from deployments.engines._vllm_adapters import BASE, Room
from deployments.models.adapters import Adapter

_ELSEWHERE = {
    "model": "`model`",
    "model_tag": "`model`",
    "lora_modules": "`adapter`",
    "served_model_name": "`name`",
}
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM has kernels for
_SPARE_PLACES = 4
"""In a batch, for adapters that come later: a start with others makes them anew."""
_SPARE_RANK = 16  # vLLM's own default; adapters that are trained here have 8
_IN_MEMORY = 32
"""Adapters that a process holds; those without a place in a batch take turns. One that it had to
read again for a request would end the engine if its files were gone."""
_NOWHERE = "nowhere.invalid"
"""The only host from which images are fetched, as no client may open addresses from here, unless
niche.yaml allows others; an image in the request itself is read."""
_GPU_SHARE = 0.9  # vLLM's own default for a GPU that nobody else uses


class _Parser(FlexibleArgumentParser):
    """Raises where it would end the process."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"engine_options: vLLM refuses them: {message}")


def parse(
    options: Mapping[str, Any],
    model: Path | str,
    adapters: Sequence[Adapter] = (),
    *,
    num_gpus: float = 0,
) -> Namespace:
    """The arguments with which a process serves a base and its adapters.

    Args:
        options: arguments as niche.yaml has them.
        model: directory or name of the base.
        adapters: for which it has room, and for some more; it loads none of them.
        num_gpus: of a replica; several share one base, tensor parallel unless the options say
            otherwise.

    Raises:
        ValueError: an argument is unknown or wrong, or is set elsewhere in niche.yaml, or leaves no
            room for the adapters.
        ModelError: an adapter does not tell its rank.
    """
    _check_names(options)
    given = _defaults(options, adapters) | _on_gpus(options, num_gpus) | dict(options)
    words = ["--model", str(model), "--served-model-name", BASE]
    for key, value in given.items():
        words += _words(key, value)
    arguments = _parser().parse_args(words)
    if arguments.enable_lora and arguments.max_cpu_loras is None:
        arguments.max_cpu_loras = max(arguments.max_loras, _IN_MEMORY)
    _check(arguments, num_gpus)
    room_in(arguments).require_places(len(adapters))
    return arguments


def room_in(arguments: Namespace) -> Room:
    """What a process with these arguments keeps for adapters."""
    if not arguments.enable_lora:
        return Room(0, "enable_lora", sys.maxsize)
    if current_platform.is_cpu():
        # One place in a batch stays empty: there the requests of the bare base get the last one.
        return Room(arguments.max_loras - 1, "max_loras", arguments.max_lora_rank)
    return Room(arguments.max_cpu_loras, "max_cpu_loras", arguments.max_lora_rank)


def _check(arguments: Namespace, num_gpus: float) -> None:
    """What vLLM would find later, or not at all."""
    parallel = arguments.tensor_parallel_size * arguments.pipeline_parallel_size
    if parallel != max(1, int(num_gpus)):
        raise ValueError(
            f"engine_options: tensor and pipeline parallel need {parallel} GPUs; set "
            f"resources.num_gpus: {parallel}, which is {num_gpus:g}"
        )
    try:
        validate_parsed_serve_args(arguments)
    except TypeError as error:
        raise ValueError(f"engine_options: vLLM refuses them: {error}") from error


def _defaults(options: Mapping[str, Any], adapters: Sequence[Adapter]) -> dict[str, Any]:
    """What vLLM would leave out."""
    defaults: dict[str, Any] = {
        "enable_prompt_tokens_details": True,
        "allowed_media_domains": [_NOWHERE],
    }
    if adapters or options.get("enable_lora"):
        rank = max([_SPARE_RANK, *(adapter.rank() for adapter in adapters)])
        defaults |= {
            "enable_lora": True,
            "max_loras": len(adapters) + _SPARE_PLACES,
            "max_lora_rank": next((known for known in _RANKS if known >= rank), _RANKS[-1]),
        }
    return defaults


def _on_gpus(options: Mapping[str, Any], num_gpus: float) -> dict[str, Any]:
    """How a part of a GPU, or several, are used."""
    if 0 < num_gpus < 1:
        return {"gpu_memory_utilization": round(_GPU_SHARE * num_gpus, 3)}
    if num_gpus <= 1:
        return {}
    stages = int(options.get("pipeline_parallel_size", 1))
    return {
        "tensor_parallel_size": max(1, int(num_gpus) // stages),
        "distributed_executor_backend": "ray",  # in the replica's placement group
    }


def _check_names(options: Mapping[str, Any]) -> None:
    known = _parser()._option_string_actions  # argparse lists them nowhere else
    for key in options:
        if key in _ELSEWHERE:
            raise ValueError(f"engine_options.{key}: niche.yaml says it by {_ELSEWHERE[key]}")
        if key in _of_a_server():
            raise ValueError(f"engine_options.{key}: no effect, since vLLM opens no port here")
        if _flag(key) not in known:
            raise ValueError(
                f"engine_options.{key}: vLLM has no such argument; `vllm serve --help=all` lists "
                "them, with hyphens"
            )


@cache
def _of_a_server() -> frozenset[str]:
    """Arguments of the HTTP server that `vllm serve` opens."""
    every, base = dataclasses.fields(FrontendArgs), dataclasses.fields(BaseFrontendArgs)
    server = {field.name for field in every} - {field.name for field in base}
    return frozenset(server | {"config", "headless", "grpc", "api_server_count"})


def _words(key: str, value: Any) -> list[str]:
    """One argument as on a command line."""
    match value:
        case True:
            return [_flag(key)]
        case False:
            return [f"--no-{_flag(key)[2:]}"]
        case list():
            return [_flag(key), *map(str, value)]
        case dict():
            return [_flag(key), json.dumps(value)]
    return [f"{_flag(key)}={value}"]


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


@cache
def _parser() -> FlexibleArgumentParser:
    try:
        return make_arg_parser(_Parser(add_help=False))
    except RuntimeError as error:
        raise ValueError(
            f"engine: vllm cannot run here: {error}; where options are only checked, set "
            "VLLM_TARGET_DEVICE=cpu"
        ) from error
