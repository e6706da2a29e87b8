"""Which models share machines: those of a pool, and those of one server that the gateway asks."""

from collections import defaultdict
from collections.abc import Sequence

from deployments.pool import pools
from deployments.spec import ModelSpec


def shared_machines(specs: Sequence[ModelSpec]) -> dict[str, str]:
    """What the machines of a model are called that others use too: a pool, or a server's URL.

    Models that share none are left out. A server's models are those with its `base_url` that agree
    on its price: adapters of one base. Where they do not, a proxy has several servers behind it.

    Raises:
        PoolConflict: the models of a named pool do not agree.
    """
    servers: dict[tuple[str, float], list[str]] = defaultdict(list)
    for spec in specs:
        if spec.in_gateway and spec.price.machine_per_hour:
            url = str(spec.engine_options.get("base_url", spec.name)).rstrip("/")
            servers[url, spec.price.machine_per_hour].append(spec.name)
    found = {name: of.name for of in pools(specs) if of.shared for name in of.model_names}
    for (url, _), names in servers.items():
        if len(names) > 1:
            found |= dict.fromkeys(names, url)
    return found
