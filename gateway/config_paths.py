"""Relative paths of a configuration are relative to its file, wherever the command runs; no file
has two purposes."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from deployments.models.adapters import ADAPTERS
from deployments.models.errors import ModelError
from deployments.models.local_path import local_path
from deployments.models.lock import read_lock
from deployments.spec import ModelSpec
from gateway.config import NicheConfig
from gateway.sqlite_file import IN_MEMORY
from router.config import RouterConfig

_LISTS = ("specialists", "embeddings", "rerankers")
_STORES = ("shadow", "response_store")
_LOCAL = ("llama", "vllm")
"""The engines whose `model` may be a file."""
_Section = TypeVar("_Section", bound=BaseModel | None)


def with_paths_beside(file: Path, config: NicheConfig) -> NicheConfig:
    """The configuration with its relative paths made absolute, as those below `~` are.

    Args:
        file: the configuration's; in the working directory relative paths stay as they are.
        config: what it says.
    """
    folder = file.parent.absolute()
    return config.model_copy(
        update={
            "generalist": _of_model(folder, config.generalist),
            **{key: tuple(_of_model(folder, of) for of in getattr(config, key)) for key in _LISTS},
            "router": _of_router(folder, config.router),
            "gateway": _of_gateway(folder, config),
            "observability": _of_section(
                config.observability,
                decision_log=_placed(folder, config.observability.decision_log, "path"),
            ),
        }
    )


def shared_files(file: Path, config: NicheConfig) -> Iterator[str]:
    """A line for each file that two keys name, or that is the configuration itself: who writes it
    would destroy what the other keeps there.

    Args:
        file: the configuration's.
        config: what it says, with its paths made absolute.
    """
    edge = config.gateway
    sections = {
        "gateway.shadow": edge.shadow,
        "gateway.response_store": edge.response_store,
        "observability.decision_log": config.observability.decision_log,
    }
    paths: dict[str, str | None] = {
        "gateway.api_keys_file": edge.api_keys_file,
        **{f"{place}.path": getattr(of, "path", None) for place, of in sections.items()},
    }
    purposes = {_real(str(file)): "the configuration itself"}
    for place, path in paths.items():
        if path is None or path == IN_MEMORY:
            continue
        purpose = purposes.setdefault(_real(path), place)
        if purpose != place:
            yield f"{place}: {purpose} has this file; name another"


def _real(path: str) -> str:
    """The path without links, whether or not the file is there."""
    try:
        return os.path.realpath(path)
    except ValueError:  # no path at all: who opens it says so
        return path


def _of_model(folder: Path, spec: ModelSpec) -> ModelSpec:
    if spec.engine in _LOCAL and spec.model not in read_lock() and _is_there(folder, spec.model):
        spec = _placed(folder, spec, "model")
    is_path = spec.adapter is not None and not _is_name(spec.adapter)
    return _placed(folder, spec, "adapter") if is_path else spec


def _of_router(folder: Path, router: RouterConfig) -> RouterConfig:
    if router.encoder not in read_lock() and _is_there(folder, router.encoder):
        router = _placed(folder, router, "encoder")
    return router if router.artifact == "default" else _placed(folder, router, "artifact")


def _of_gateway(folder: Path, config: NicheConfig) -> BaseModel:
    edge = _placed(folder, config.gateway, "api_keys_file", "adapters_dir")
    stores = {key: _placed(folder, getattr(edge, key), "path") for key in _STORES}
    return _of_section(edge, **stores)


def _placed(folder: Path, section: _Section, *keys: str) -> _Section:
    """A section with the paths of these keys placed in the folder, if there are any."""
    paths = {key: getattr(section, key, None) for key in keys}
    elsewhere = folder != Path.cwd()
    placed = {
        key: _absolute(folder, of)
        for key, of in paths.items()
        if of and (elsewhere or of.startswith("~"))
    }
    return _of_section(section, **placed)


def _is_name(adapter: str) -> bool:
    try:
        return (ADAPTERS / adapter).is_dir()
    except OSError:  # too long for a name
        return False


def _absolute(folder: Path, path: str) -> str:
    try:
        return str(folder / Path(path).expanduser())
    except RuntimeError:  # the home of nobody here: who opens it says so
        return path


def _is_there(folder: Path, reference: str) -> bool:
    try:
        return local_path(_absolute(folder, reference)).exists()
    except ModelError:  # no path at all: who loads it says what it is
        return False


def _of_section(section: _Section, **values: object) -> _Section:
    if section is None or not values:
        return section
    return section.model_copy(update=values)
