"""Resolves a model reference in the configuration to a directory with the model's files.

A reference is a name of `deployments/models.lock`, a local directory, or a Hugging Face id
(org/name), and is looked up in that order. For GGUF files: `resolve_gguf`.
"""

import re
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from deployments.models.cache import is_usable, model_dir
from deployments.models.errors import ModelError
from deployments.models.local_path import local_path
from deployments.models.lock import Lock, read_lock

Snapshot = Callable[[str], str]

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# No pickled weights: loading them can run code.
_WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
_UNWANTED = ("original/*",)  # the same weights in another form


def hub_snapshot(hub_id: str, download: Callable[..., str] = snapshot_download) -> str:
    """The folder of a hub model's files; downloads them if the hub's cache lacks them."""
    return download(hub_id, allow_patterns=list(_WANTED), ignore_patterns=list(_UNWANTED))


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
            raise not_pulled(reference, cache_dir)
        return folder
    local = local_path(reference)
    if reference.endswith(".gguf"):
        raise ModelError(
            f"model {reference!r} is a GGUF file; serve it with engine: llama, or run: "
            f"niche models convert {reference} --out DIR, and name the directory"
        )
    if local.is_dir():
        return _checked(local, reference)
    if HUB_ID.fullmatch(reference):
        return _checked(from_hub(reference, lambda: snapshot(reference)), reference)
    raise ModelError(
        f"no model {reference!r}: it is no directory and no Hugging Face id (org/name); "
        f"known names: {', '.join(sorted(models))}"
    )


def not_pulled(reference: str, cache_dir: Path) -> ModelError:
    """The error for a model of the lock file whose files are not in the cache."""
    return ModelError(
        f"model {reference!r} is not in {cache_dir}; run: niche models pull {reference}"
    )


def _checked(folder: Path, reference: str) -> Path:
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"model {reference!r}: {folder} has no config.json; name a model directory"
        )
    return folder


def from_hub(hub_id: str, get: Callable[[], str]) -> Path:
    """The path that `get` returns, which may download; raises `ModelError` for what it raises."""
    try:
        return Path(get())
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"model {hub_id!r} is not in the hub's cache and the hub cannot be reached; "
            "check the network, or name a local path"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(f"model {hub_id!r} cannot be fetched from the hub: {error}") from error
