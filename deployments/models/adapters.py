"""Adapters: a specialist's trained difference from its base model.

An adapter is a directory with PEFT's `adapter_config.json` and `adapter_model.safetensors`, and
`niche.json`: the checksum of the weights, the base model's name, the niche, the system prompt it
was trained with, and, where it says so, the base's layers that it keeps and what completes its
answers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from deployments.completions import Completion
from deployments.models.cache import sha256_of
from deployments.models.errors import ModelError

ADAPTERS = Path(__file__).parent.parent / "adapters"

_WEIGHTS = "adapter_model.safetensors"


class AdapterCard(BaseModel):
    """`niche.json`, written after training; `base` is a name from `models.lock` or a hub id.

    Attributes:
        layers: the decoder layers of the base that are kept, ascending from 0; None keeps all.
        complete: what adds to its finished answers, a key of `deployments.completions`.
        graders: what holds its answers against a right one, keys of `router.grading.registry`;
            the first is the niche's measure.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    niche: str
    base: str
    system_prompt: str
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    layers: tuple[int, ...] | None = None
    complete: Completion | None = None
    graders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Adapter:
    """A verified adapter; it was trained with `system_prompt`; `sha256` is of its weights.

    `layers`, `complete` and `graders` are as in its card.
    """

    path: Path
    niche: str
    base: str
    system_prompt: str
    sha256: str
    layers: tuple[int, ...] | None = None
    complete: Completion | None = None
    graders: tuple[str, ...] = ()


def load_adapter(reference: str, folder: Path = ADAPTERS) -> Adapter:
    """Finds an adapter and verifies its weights.

    Args:
        reference: a name under `folder`, or a local directory.
        folder: where the named adapters lie.

    Raises:
        ModelError: there is none by that reference, or its files are absent, malformed or altered.
    """
    path = folder / reference if (folder / reference).is_dir() else Path(reference).expanduser()
    if not path.is_dir():
        known = sorted(child.name for child in folder.glob("*") if child.is_dir())
        raise ModelError(
            f"no adapter {reference!r} and no such directory; "
            f"known names: {', '.join(known) or 'none'}"
        )
    missing = [name for name in ("adapter_config.json", _WEIGHTS) if not (path / name).is_file()]
    if missing:
        raise ModelError(f"adapter {reference!r}: {path} has no {', '.join(missing)}")
    card = _read_card(path, reference)
    found = sha256_of(path / _WEIGHTS)
    if found != card.sha256:
        raise ModelError(
            f"adapter {reference!r}: sha256 of {_WEIGHTS} is {found}, "
            f"niche.json says {card.sha256}; restore the file, or train it again"
        )
    return Adapter(path=path, **dict(card))


def _read_card(path: Path, reference: str) -> AdapterCard:
    try:
        return AdapterCard.model_validate_json((path / "niche.json").read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(f"adapter {reference!r}: niche.json cannot be used: {error}") from error
