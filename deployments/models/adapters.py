"""Adapters: LoRA weights that turn a base model into a specialist.

An adapter is a directory with PEFT's `adapter_config.json` and `adapter_model.safetensors`, and a
card, `niche.json`: the checksum of the weights, the base model's name, the niche, the system prompt
that it was trained with and, optionally, the completion of its answers, their grammar and graders.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints

from deployments.answer_grammar import Grammar
from deployments.completions import Completion
from deployments.learned_calls import LearnedCalls
from deployments.models.checksum import sha256_of
from deployments.models.errors import ModelError, UnusableModels
from deployments.models.local_path import local_path
from deployments.spec import ModelSpec

Made = TypeVar("Made")

ADAPTERS = Path(__file__).parent.parent / "adapters"

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
CARD = "niche.json"


class AdapterCard(BaseModel):
    """`niche.json`, written after training; `base` is a name from `models.lock` or a hub id.

    Attributes:
        niche: the task that it was trained for.
        base: the model that its weights were trained on.
        system_prompt: as in training.
        sha256: checksum of the weights' file.
        complete: the function that completes its answers, a key of `deployments.completions`.
        grammar: what every answer follows, as `deployments.answer_grammar` says.
        graders: keys of `router.grading.registry`; the first is the niche's measure.
        functions: OpenAI's descriptions of the functions that it was trained to call.
        other_functions: whether it calls others better than its base.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    niche: str
    base: str
    system_prompt: str
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    complete: Completion | None = None
    grammar: Grammar | None = None
    graders: tuple[str, ...] = ()
    functions: tuple[dict[str, Any], ...] = ()
    other_functions: bool = False


class Adapter(AdapterCard):
    """An adapter whose weights match its card; `path` is its directory."""

    path: Path

    def rank(self) -> int:
        """The largest rank of its matrices.

        Raises:
            ModelError: PEFT's file does not tell it.
        """
        try:
            config = json.loads((self.path / CONFIG).read_bytes())
            return max([config["r"], *(config.get("rank_pattern") or {}).values()])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{self.path / CONFIG} tells no rank `r`: {error}") from error


def load_adapter(reference: str, folder: Path = ADAPTERS) -> Adapter:
    """Finds an adapter and verifies its weights.

    Args:
        reference: a name under `folder`, or a local directory.
        folder: the directory of the named adapters.

    Raises:
        ModelError: there is no such adapter, or its files are absent, malformed or altered.
    """
    path = adapter_folder(reference, folder)
    if not path.is_dir():
        names = sorted(child.name for child in folder.glob("*") if child.is_dir())
        raise ModelError(
            f"no adapter {reference!r} and no such directory; "
            f"known names: {', '.join(names) or 'none'}"
        )
    try:
        return _verified(path, reference)
    except OSError as error:
        raise ModelError(
            f"adapter {reference!r}: {path} cannot be read ({error.strerror}); make its files "
            "readable"
        ) from error


def _verified(path: Path, reference: str) -> Adapter:
    missing = [name for name in (CONFIG, WEIGHTS) if not (path / name).is_file()]
    if missing:
        raise ModelError(f"adapter {reference!r}: {path} has no {', '.join(missing)}")
    card = _read_card(path, reference)
    actual = sha256_of(path / WEIGHTS)
    if actual != card.sha256:
        raise ModelError(
            f"adapter {reference!r}: sha256 of {WEIGHTS} is {actual}, "
            f"{CARD} says {card.sha256}; restore the file, or train it again"
        )
    return Adapter(path=path, **card.model_dump())


def learned_calls(reference: str) -> LearnedCalls | None:
    """The calls that an adapter learned, by its card, for those that do not load it; None: none, or
    it is not here."""
    try:
        card = json.loads((adapter_folder(reference) / CARD).read_bytes())
        functions = card.get("functions")
    except (AttributeError, ModelError, OSError, ValueError):  # whoever loads it says what is wrong
        return None
    return LearnedCalls(functions, card.get("other_functions", False)) if functions else None


def completion_of(reference: str | None) -> Completion | None:
    """What completes the answers of a model with this adapter, for an engine that does not load it
    itself; None also where the adapter is not here."""
    if reference is None:
        return None
    try:
        return load_adapter(reference).complete
    except ModelError:  # its weights are on the server alone
        return None


def adapter_of(spec: ModelSpec) -> Adapter:
    """The adapter that a model names.

    Raises:
        ModelError: as `load_adapter`; or the adapter is of another base.
    """
    adapter = load_adapter(spec.adapter or "")
    if adapter.base != spec.model:
        raise ModelError(
            f"model {spec.name!r}: adapter {spec.adapter!r} was trained on {adapter.base!r}, "
            f"not on {spec.model!r}; name that model"
        )
    return adapter


def adapters_of(
    specs: Iterable[ModelSpec], make: Callable[[Adapter], Made]
) -> dict[str, tuple[Adapter, Made]]:
    """The adapter of each model that names one, and what an engine makes of it.

    Raises:
        UnusableModels: `adapter_of` or `make` raised a `ModelError` for some.
    """
    found: dict[str, tuple[Adapter, Made]] = {}
    reasons: dict[str, str] = {}
    for spec in specs:
        if spec.adapter:
            try:
                adapter = adapter_of(spec)
                found[spec.name] = adapter, make(adapter)
            except ModelError as error:
                reasons[spec.name] = str(error)
    if reasons:
        raise UnusableModels(reasons)
    return found


def adapter_folder(reference: str, folder: Path = ADAPTERS) -> Path:
    """Where an adapter would be: a name under `folder`, else a path.

    Raises:
        ModelError: the reference can be no path.
    """
    path, named = local_path(reference), folder / reference
    return named if named.is_dir() else path


def _read_card(path: Path, reference: str) -> AdapterCard:
    try:
        fields: Any = json.loads((path / CARD).read_bytes())
        if isinstance(fields, dict) and fields.get("layers") is not None:
            raise ModelError(
                f"adapter {reference!r}: {CARD} has `layers`, and adapters that keep only some "
                "layers of their base are no longer served; train it again on the whole base"
            )
        return AdapterCard.model_validate(fields)
    except (OSError, ValueError) as error:
        raise ModelError(f"adapter {reference!r}: {CARD} cannot be used: {error}") from error
