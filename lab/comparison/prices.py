"""Prices of tokens and machines, from YAML: a file of prices, or a `niche.yaml`.

    currency: USD
    models:
      small: {prompt_per_million_tokens: 0.1, completion_per_million_tokens: 0.4}
      large: {prompt_per_million_tokens: 2, completion_per_million_tokens: 8}
      own: {machine_per_hour: 3, replicas: 2, pool: ours}   # with other models on the same replicas
    baseline_models:   # models of the server that --baseline-url names
      large: {...}

Units: currency units per million tokens, and per hour of one replica.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.pool import PoolConflict
from deployments.spec import ModelSpec, Price
from deployments.strict_yaml import load_yaml
from lab.comparison.errors import ComparisonError
from lab.planning.sharing import shared_machines


class ModelPrice(Price):
    """One model's prices, its number of replicas, and the pool whose replicas these are; None: its
    own."""

    replicas: int = Field(default=1, ge=0)
    pool: str | None = None


class Prices(BaseModel):
    """All prices; without a file it is empty, and the costs in the answers are used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: str = "USD"
    models: Mapping[str, ModelPrice] = {}
    baseline_models: Mapping[str, ModelPrice] = {}


def read_prices(path: Path) -> Prices:
    """The prices of a file.

    Raises:
        ComparisonError: the file cannot be read, or is neither of the two kinds.
    """
    try:
        raw = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ComparisonError(f"{path}: cannot be read: {error.strerror}; name another") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ComparisonError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    try:
        return Prices.model_validate(_of_stack(raw) if _is_stack(raw) else raw)
    except PoolConflict as error:
        raise ComparisonError(f"{path}: no prices: {error}") from error
    except (ValidationError, AttributeError, KeyError, TypeError) as error:
        reason = _fault_text(error) if isinstance(error, ValidationError) else "nor a niche.yaml"
        raise ComparisonError(f"{path}: no prices: {reason}") from error


def _is_stack(raw: Any) -> bool:
    return isinstance(raw, dict) and "generalist" in raw


def _of_stack(raw: dict[str, Any]) -> dict[str, Any]:
    """The prices in a `niche.yaml`, and what shares replicas; ignores everything else."""
    given = (raw["generalist"], *(raw.get("specialists") or ()))
    specs = [
        ModelSpec.model_validate({"model": "-"} | {key: of[key] for key in _READ & of.keys()})
        for of in given
    ]
    shared = shared_machines(specs)
    models = {}
    for spec in specs:
        scaling = spec.autoscaling
        replicas = spec.replicas if scaling is None else scaling.min_replicas
        own = {"replicas": replicas, "pool": shared.get(spec.name)}
        models[spec.name] = spec.price.model_dump() | own
    currency = (raw.get("observability") or {}).get("currency", "USD")
    return {"currency": currency, "models": models}


_READ = frozenset(
    {
        *("name", "domain", "price", "model", "engine", "engine_options", "deployment", "pool"),
        *("resources", "replicas", "autoscaling"),
    }
)
"""Keys of a model that say what it costs and with whom it shares replicas."""


def _fault_text(error: ValidationError) -> str:
    fault = error.errors()[0]
    return f"{'.'.join(str(part) for part in fault['loc']) or 'file'}: {fault['msg']}"
