"""The `niche.yaml` of a stack, whose specialists come and go.

A running `niche serve` follows the file within seconds; a later start finds them there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.models.adapters import ADAPTERS, load_adapter
from deployments.spec import SHARED_ENGINES
from gateway.config import AUTO, ConfigError, NicheConfig
from gateway.specialists.registration import change, inserted, removed

_OF_OTHER_BASES = frozenset({"vllm"})
"""The engines whose bases the default one cannot serve."""


class SpecialistExists(ConfigError):
    """A model of the stack has this name."""


class UnknownSpecialist(ConfigError):
    """No specialist of the stack has this name."""


class UnservedBase(ConfigError):
    """No model of the stack has the base of the adapter."""


@dataclass(frozen=True)
class StackFile:
    """A `niche.yaml` that specialists are added to and removed from.

    Attributes:
        path: of the file.
        require_served: raises if a stack would not serve a configuration: its router may not know a
            domain, or guarantee nothing for the others.
    """

    path: Path
    require_served: Callable[[NicheConfig], object]

    def add(
        self, name: str, adapter: str, domain: str | None = None, *, served_bases: bool = False
    ) -> None:
        """Adds a specialist, to the pool of its adapter's base if there is one.

        Args:
            name: which clients may ask for.
            adapter: a name under `deployments/adapters`, or a directory.
            domain: one that the router's artifact knows; None: called as the specialist is.
            served_bases: refuse an adapter whose base no model of the stack has; otherwise a stack
                loads another base for it, which may have to be downloaded.

        Raises:
            SpecialistExists: the name is taken.
            UnservedBase: see `served_bases`.
            ModelError: there is no such adapter, or its files cannot be used.
            ConfigError, RouterError: a stack would not serve it; the file stays as it is.
        """

        def edited(text: str, config: NicheConfig) -> str:
            if name in (AUTO, *(spec.name for spec in config.models)):
                raise SpecialistExists(
                    f"{self.path}: there is a model {name!r}; choose another name"
                )
            base = load_adapter(adapter).base
            if served_bases:
                _require_served_base(config, base, adapter)
            entry = {"name": name, "domain": domain or name, "model": base}
            entry["adapter"] = self._reference(adapter)
            return inserted(text, entry | _settings(config, base), str(self.path))

        change(self.path, edited, self.require_served)

    def remove(self, name: str) -> None:
        """Removes a specialist; the files of its adapter stay.

        Raises:
            UnknownSpecialist: there is none of this name.
            ConfigError, RouterError: a stack would not serve what is left; the file stays as it is.
        """

        def edited(text: str, config: NicheConfig) -> str:
            names = [spec.name for spec in config.specialists]
            if name not in names:
                raise UnknownSpecialist(
                    f"{self.path}: no specialist {name!r}; there are {', '.join(names) or 'none'}"
                )
            return removed(text, name, str(self.path))

        change(self.path, edited, self.require_served)

    def _reference(self, adapter: str) -> str:
        """The adapter as the file names it: a stack starts in the file's own directory, or
        anywhere."""
        here = self.path.parent == Path() or (ADAPTERS / adapter).is_dir()
        return adapter if here else str(Path(adapter).expanduser().resolve())


def _require_served_base(config: NicheConfig, base: str, adapter: str) -> None:
    bases = dict.fromkeys(spec.model for spec in config.models if not spec.in_gateway)
    if base not in bases:
        raise UnservedBase(
            f"adapter {adapter!r} is for the base {base!r}, and the models of the stack have "
            f"{', '.join(bases) or 'none'}; train it on one of these"
        )


def _settings(config: NicheConfig, base: str) -> dict[str, Any]:
    options = {"default_temperature": 0}
    return pool_settings(config, base, options) or {"engine_options": options}


def pool_settings(
    config: NicheConfig, base: str, options: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The settings by which a new specialist joins the pool of its base, or has a process like that
    of another model whose base the default engine cannot serve; None if there is neither.

    Args:
        config: the stack.
        base: of the new one's adapter.
        options: the `engine_options` that it would have alone.
    """
    models = (*config.specialists, config.generalist)
    beside = [of for of in config.specialists if of.adapter and of.engine in SHARED_ENGINES]
    beside += [of for of in models if of.engine in _OF_OTHER_BASES]
    alike = next((of for of in beside if of.model == base), None)
    if alike is None:
        return None
    own = SHARED_ENGINES[alike.engine]
    process = {name: value for name, value in alike.engine_options.items() if name not in own}
    keys = {"engine", "pool", "resources", "price"}
    if alike is not config.generalist or alike.pool is not None:  # else it shares no replicas
        keys |= {"replicas", "autoscaling"}
    return {
        **alike.model_dump(include=keys, exclude_defaults=True),
        "engine_options": process | {name: options[name] for name in options if name in own},
    }
