"""From the models of a process to the arguments of `vllm serve`, by vLLM's own parser."""

import dataclasses
import json
from argparse import Namespace
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from vllm.entrypoints.launchers.cli_args import (
    BaseFrontendArgs,
    FrontendArgs,
    make_arg_parser,
    validate_parsed_serve_args,
)
from vllm.utils.argparse_utils import FlexibleArgumentParser

BASE = "base"
"""What vLLM calls the base."""

_ELSEWHERE = {
    "model": "`model`",
    "model_tag": "`model`",
    "lora_modules": "`adapter`",
    "served_model_name": "`name`",
}
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM has kernels for
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
    adapters: Mapping[str, Path] | None = None,
    *,
    rank: int = 0,
    num_gpus: float = 0,
) -> Namespace:
    """The arguments with which a process serves a base and its adapters.

    Args:
        options: arguments as niche.yaml has them.
        model: directory or name of the base.
        adapters: PEFT directories by the names that vLLM is to know them by.
        rank: the largest of the adapters.
        num_gpus: of a replica; several share one base, tensor parallel unless the options say
            otherwise.

    Raises:
        ValueError: an argument is unknown or wrong, or is set elsewhere in niche.yaml.
    """
    _check_names(options)
    given = _defaults(adapters or {}, rank) | _on_gpus(options, num_gpus) | dict(options)
    words = ["--model", str(model), "--served-model-name", BASE]
    for key, value in given.items():
        words += _words(key, value)
    if adapters:
        words += ["--lora-modules", *(f"{name}={path}" for name, path in adapters.items())]
    arguments = _parser().parse_args(words)
    _check(arguments, rank, num_gpus)
    return arguments


def _check(arguments: Namespace, rank: int, num_gpus: float) -> None:
    """What vLLM would find later, or not at all."""
    parallel = arguments.tensor_parallel_size * arguments.pipeline_parallel_size
    if parallel != max(1, int(num_gpus)):
        raise ValueError(
            f"engine_options: tensor and pipeline parallel need {parallel} GPUs; set "
            f"resources.num_gpus: {parallel}, which is {num_gpus:g}"
        )
    if rank and arguments.max_lora_rank < rank:
        raise ValueError(
            f"engine_options.max_lora_rank: an adapter has rank {rank}, which is above "
            f"{arguments.max_lora_rank}; raise it, or leave it out"
        )
    try:
        validate_parsed_serve_args(arguments)
    except TypeError as error:
        raise ValueError(f"engine_options: vLLM refuses them: {error}") from error


def _defaults(adapters: Mapping[str, Path], rank: int) -> dict[str, Any]:
    """What vLLM would leave out."""
    defaults: dict[str, Any] = {
        "enable_prompt_tokens_details": True,
        "allowed_media_domains": [_NOWHERE],
    }
    if adapters:
        fitting = next((known for known in _RANKS if known >= rank), rank)
        defaults |= {
            "enable_lora": True,
            # All of them in one batch, and a place that stays empty: on a CPU the requests of the
            # bare base would get the adapter in the last one.
            "max_loras": len(adapters) + 1,
            "max_lora_rank": fitting,
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
