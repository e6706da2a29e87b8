"""Resolves a model reference in the configuration to a GGUF file.

A reference is a name of `deployments/models.lock`, a local file, or a file of the Hugging Face hub
(org/name:file.gguf), and is looked up in that order. An encoder that the lock names, or that is in
a local directory, is converted.
"""

import re
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import hf_hub_download

from deployments.models.cache import is_whole, model_dir
from deployments.models.errors import ModelError
from deployments.models.gguf_file import is_gguf
from deployments.models.gguf_parts import part_names
from deployments.models.local_path import local_path
from deployments.models.lock import Lock, read_lock
from deployments.models.resolve import HUB_ID, from_hub, not_pulled, resolve

HubFile = Callable[[str, str], str]

_HUB_FILE = re.compile(rf"({HUB_ID.pattern}):([A-Za-z0-9][\w./-]*\.gguf)")


def hub_file(hub_id: str, name: str) -> str:
    """A file of the hub; downloads it if the hub's cache lacks it."""
    return hf_hub_download(hub_id, name)


def resolve_gguf(
    reference: str,
    cache_dir: Path,
    *,
    lock: Lock | None = None,
    download: HubFile = hub_file,
) -> Path:
    """Returns the GGUF file of a reference; of a model in several files the first.

    Raises:
        ModelError: the reference is unknown or no GGUF file, or cannot be downloaded.
    """
    models = read_lock() if lock is None else lock
    model, local = models.get(reference), local_path(reference)
    if model is not None and model.format == "gguf":
        folder = model_dir(cache_dir, reference)
        if not is_whole(folder, model):
            raise not_pulled(reference, cache_dir)
        return folder / next(iter(model.files))
    if model is not None or local.is_dir():
        from deployments.models.encoder_gguf import encoder_gguf  # noqa: PLC0415 - imports gguf

        return encoder_gguf(resolve(reference, cache_dir, lock=models), cache_dir)
    if local.is_file():
        if not is_gguf(local):
            raise _no_gguf(reference)
        return local
    if found := _HUB_FILE.fullmatch(reference):
        return from_hub(reference, lambda: _hub_files(found[1], found[2], download))
    raise _no_gguf(reference)


def _hub_files(hub_id: str, name: str, download: HubFile) -> str:
    """Downloads a file and, if it is the first of several, the others."""
    first, *others = part_names(name)
    path = download(hub_id, first)
    for other in others:
        download(hub_id, other)
    return path


def _no_gguf(reference: str) -> ModelError:
    return ModelError(
        f"model {reference!r} is no GGUF file, which engine llama, the default, needs; name a "
        "file, or one of the hub as org/name:file.gguf, or serve safetensors with engine: vllm"
    )
