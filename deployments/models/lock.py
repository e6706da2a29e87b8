"""`deployments/models.lock`: the models known by name, with sources, files and checksums."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from deployments.models.errors import ModelError

LOCK_PATH = Path(__file__).parent.parent / "models.lock"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LockedFile(_Section):
    """A file's expected size and checksum."""

    bytes: int = Field(ge=1)
    sha256: Sha256


class WheelSource(_Section):
    """A wheel on the user's package index, to extract files from; it is never installed.

    `folder` is the folder of the model's files in the wheel.
    """

    kind: Literal["wheel"]
    distribution: str
    version: str
    filename: str
    bytes: int = Field(ge=1)
    sha256: Sha256
    folder: str

    @property
    def requirement(self) -> str:
        """The exact requirement for pip."""
        return f"{self.distribution}=={self.version}"


class LockedModel(_Section):
    """One model. `hub` is the id of the same weights on the Hugging Face hub.

    A `gguf` model is one file; it is converted once, after the download, to a transformers
    directory, and kept beside it.
    """

    hub: str
    licence: str
    source: WheelSource
    format: Literal["transformers", "gguf"]
    files: dict[str, LockedFile] = Field(min_length=1)


Lock = dict[str, LockedModel]


def read_lock(path: Path = LOCK_PATH) -> Lock:
    """Reads and validates the lock file.

    Raises:
        ModelError: the file is absent or malformed.
    """
    try:
        return TypeAdapter(Lock).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(f"{path}: cannot be used: {error}") from error


def entry(name: str, lock: Lock) -> LockedModel:
    """The entry with this name.

    Raises:
        ModelError: there is none; the message lists the known names.
    """
    if name not in lock:
        raise ModelError(f"no model named {name!r}; known names: {', '.join(sorted(lock))}")
    return lock[name]
