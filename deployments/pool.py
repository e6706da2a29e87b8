"""Which models share a deployment, as a pure function of their specs.

Rules:

- Specialists with the same base (`model`), engine, options of the engine's process, resources,
  replicas, autoscaling and price of the machine share a pool, where one process of the engine can
  serve several models. It is named after the base; `-2`, `-3`, ... follow where that pool differs.
- `pool: NAME` puts a model, also the generalist, into that pool; its models must agree.
- Every other model has a deployment of its own.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Any

from deployments.spec import LIVE_ENGINES, SHARED_ENGINES, ModelSpec

_STRANGE = re.compile(r"[^a-z0-9._-]+")
_LENGTH = 50


class PoolConflict(ValueError):
    """Two models of one pool differ in settings that are the pool's.

    Attributes:
        pool: its name.
        model: whose settings differ from those of the models before it.
        keys: of the settings.
    """

    def __init__(self, pool: str, models: tuple[str, str], keys: tuple[str, ...]) -> None:
        self.pool, self.model, self.keys = pool, models[1], keys
        super().__init__(
            f"{' and '.join(models)} differ in {', '.join(keys)}, which the models of pool "
            f"{pool!r} have in common; give both the same, or name another pool"
        )


@dataclass(frozen=True)
class Pool:
    """A deployment: one model, or several that share its replicas.

    Attributes:
        name: of the deployment.
        models: at least one; resources, replicas and autoscaling are the same in all.
        shared: whether others may join it; not where a model has a deployment of its own.
    """

    name: str
    models: tuple[ModelSpec, ...]
    shared: bool = False

    @property
    def app_name(self) -> str:
        """The name of its Serve application."""
        return f"pool-{self.name}" if self.shared else f"model-{self.name}"

    @property
    def asked_at_ports(self) -> bool:
        """Whether gateways ask its replicas at ports of their own. Not where it scales by load,
        which Serve measures by the requests that come by its handles."""
        return self.basis.autoscaling is None

    @property
    def basis(self) -> ModelSpec:
        """A model with the settings that all have in common."""
        return self.models[0]

    @property
    def model_names(self) -> tuple[str, ...]:
        """The names of its models."""
        return tuple(spec.name for spec in self.models)

    def can_become(self, other: "Pool") -> bool:
        """Whether its replicas can come to the models of another while they run.

        Not where an engine's process has to be another: one that was started without adapters has
        no room for any, unless its options say so.
        """
        if self.basis.engine not in LIVE_ENGINES or _settings(self.basis) != _settings(other.basis):
            return False
        has_room = self.has_adapters or bool(self.basis.engine_options.get("enable_lora"))
        return has_room or not other.has_adapters

    @property
    def has_adapters(self) -> bool:
        """Whether a model has one."""
        return any(spec.adapter for spec in self.models)

    def with_those_of(self, other: "Pool") -> "Pool":
        """It, and the models that another has and it has not."""
        more = (spec for spec in other.models if spec.name not in self.model_names)
        return replace(self, models=(*self.models, *more))


def pools(specs: Sequence[ModelSpec]) -> tuple[Pool, ...]:
    """The deployments of models, in the order of each one's first model.

    A model that the gateway asks itself is in none.

    Raises:
        PoolConflict: the models of a named pool do not agree.
    """
    shared = _named(specs)
    places = {spec.name: spec.pool for spec in specs}
    for spec in filter(_joins_a_pool, specs):
        place = places[spec.name] = _place(spec, shared)
        shared.setdefault(place, spec)
    members: dict[tuple[str, bool], list[ModelSpec]] = {}
    for spec in specs:
        if not spec.in_gateway:
            name = places[spec.name]
            members.setdefault((name or spec.name, name is not None), []).append(spec)
    return tuple(Pool(name, tuple(of), is_pool) for (name, is_pool), of in members.items())


def _named(specs: Iterable[ModelSpec]) -> dict[str, ModelSpec]:
    """The first model of each named pool."""
    first: dict[str, ModelSpec] = {}
    for spec in specs:
        if spec.pool is not None:
            before = first.setdefault(spec.pool, spec)
            if keys := _differences(_settings(before), _settings(spec)):
                raise PoolConflict(spec.pool, (before.name, spec.name), keys)
    return first


def _joins_a_pool(spec: ModelSpec) -> bool:
    """Whether a model without a named pool gets one."""
    is_free = spec.pool is None and spec.deployment is None and spec.domain is not None
    return is_free and spec.engine in SHARED_ENGINES


def _place(spec: ModelSpec, shared: Mapping[str, ModelSpec]) -> str:
    """The first pool of the base that is free, or has the settings of this model."""
    own = _settings(spec)
    return next(
        name for name in _names(spec.model) if name not in shared or _settings(shared[name]) == own
    )


def _names(base: str) -> Iterator[str]:
    name = _STRANGE.sub("-", base.lower()).strip("-._")[:_LENGTH] or "pool"
    return chain([name], (f"{name}-{number}" for number in count(2)))


def _settings(spec: ModelSpec) -> dict[str, Any]:
    """What the models of one process have in common, by key."""
    options, resources = spec.engine_options, spec.resources.model_dump()
    of_models = SHARED_ENGINES.get(spec.engine, frozenset())
    return {
        "model": spec.model,
        "kind": spec.kind,
        "engine": spec.engine,
        **{f"engine_options.{key}": options[key] for key in options.keys() - of_models},
        **{f"resources.{key}": value for key, value in resources.items()},
        "replicas": spec.replicas,
        "autoscaling": spec.autoscaling,
        "price.machine_per_hour": spec.price.machine_per_hour,
    }


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[str, ...]:
    keys = sorted(first.keys() | second.keys())
    return tuple(key for key in keys if first.get(key) != second.get(key))
