"""Resolves a model reference in the configuration to the model's files.

A reference is a name of `deployments/models.lock`, a local path, or one of the Hugging Face hub,
and is looked up in that order. A transformers model is a directory, on the hub `org/name`; a GGUF
model is a file, on the hub `org/name:file.gguf`.
"""

import re
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from deployments.models.cache import is_usable, is_whole, model_dir
from deployments.models.errors import ModelError
from deployments.models.gguf_file import is_gguf
from deployments.models.lock import Lock, read_lock

Snapshot = Callable[[str], str]
HubFile = Callable[[str, str], str]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_FILE = re.compile(rf"({_HUB_ID.pattern}):([A-Za-z0-9][\w./-]*\.gguf)")
_FIRST_OF_SEVERAL = re.compile(r"(.+)-00001-of-(\d{5})\.gguf")
# No pickled weights: loading them can run code.
_WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")


def hub_snapshot(hub_id: str) -> str:
    """The folder of a hub model's files; downloads them if the hub's cache lacks them."""
    return snapshot_download(hub_id, allow_patterns=list(_WANTED))


def hub_file(hub_id: str, name: str) -> str:
    """A file of the hub; downloads it if the hub's cache lacks it."""
    return hf_hub_download(hub_id, name)


def resolve(
    reference: str,
    cache_dir: Path,
    *,
    lock: Lock | None = None,
    snapshot: Snapshot = hub_snapshot,
) -> Path:
    """Returns the transformers directory of a reference.

    Raises:
        ModelError: the reference is unknown, or its files are absent and cannot be downloaded.
    """
    models = read_lock() if lock is None else lock
    if reference in models:
        folder = model_dir(cache_dir, reference)
        if not is_usable(folder, models[reference]):
            raise _not_pulled(reference, cache_dir)
        return folder
    local = Path(reference).expanduser()
    if reference.endswith(".gguf"):
        raise ModelError(
            f"model {reference!r} is a GGUF file; serve it with engine: llama, or run: "
            f"niche models convert {reference} --out DIR, and name the directory"
        )
    if local.is_dir():
        return _checked(local, reference)
    if _HUB_ID.fullmatch(reference):
        return _checked(_from_hub(reference, lambda: snapshot(reference)), reference)
    raise ModelError(
        f"no model {reference!r}: it is no directory and no Hugging Face id (org/name); "
        f"known names: {', '.join(sorted(models))}"
    )


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
    if reference in models:
        model, folder = models[reference], model_dir(cache_dir, reference)
        if model.format != "gguf":
            raise _no_gguf(reference)
        if not is_whole(folder, model):
            raise _not_pulled(reference, cache_dir)
        return folder / next(iter(model.files))
    local = Path(reference).expanduser()
    if local.is_file():
        if not is_gguf(local):
            raise _no_gguf(reference)
        return local
    if found := _HUB_FILE.fullmatch(reference):
        return _from_hub(reference, lambda: _hub_files(found[1], found[2], download))
    raise _no_gguf(reference)


def _hub_files(hub_id: str, name: str, download: HubFile) -> str:
    """Downloads a file and, if it is the first of several, the others."""
    first = download(hub_id, name)
    if several := _FIRST_OF_SEVERAL.fullmatch(name):
        for number in range(2, int(several[2]) + 1):
            download(hub_id, f"{several[1]}-{number:05}-of-{several[2]}.gguf")
    return first


def _not_pulled(reference: str, cache_dir: Path) -> ModelError:
    return ModelError(
        f"model {reference!r} is not in {cache_dir}; run: niche models pull {reference}"
    )


def _no_gguf(reference: str) -> ModelError:
    return ModelError(
        f"model {reference!r} is no GGUF file, which engine llama needs; name a file, or one of "
        "the hub as org/name:file.gguf, or serve the model with engine: transformers"
    )


def _checked(folder: Path, reference: str) -> Path:
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"model {reference!r}: {folder} has no config.json; name a model directory"
        )
    return folder


def _from_hub(hub_id: str, get: Callable[[], str]) -> Path:
    try:
        return Path(get())
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"model {hub_id!r} is not in the hub's cache and the hub cannot be reached; "
            "check the network, or name a local path"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(f"model {hub_id!r} cannot be fetched from the hub: {error}") from error
