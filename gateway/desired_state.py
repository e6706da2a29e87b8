"""What the gateway's replicas are to serve: a file, which the launcher of the stack replaces.

A replica reads it when it starts and whenever it is replaced, so that one that starts later comes
to the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config import NicheConfig


@dataclass(frozen=True)
class DesiredState:
    """A configuration, and where its pools are.

    Attributes:
        config: the validated configuration.
        apps: the application of each pool whose name is another, by `Pool.app_name`.
        number: of the change that brought it about; a greater one is newer.
    """

    config: NicheConfig
    apps: Mapping[str, str]
    number: int = 0

    def write(self, path: Path) -> None:
        """Replaces the file atomically."""
        # Without defaults: what has no effect on a model may not even be named.
        fields = {
            "number": self.number,
            "config": self.config.model_dump(mode="json", exclude_unset=True),
            "apps": dict(self.apps),
        }
        new = path.with_name(f"{path.name}.new")
        new.write_text(json.dumps(fields), encoding="utf-8")
        new.replace(path)

    def or_newer(self, path: Path | None) -> "DesiredState":
        """What the file says, if it is there and newer; else this one."""
        try:
            text = "" if path is None else path.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""
        if not text:
            return self
        fields = json.loads(text)
        if fields["number"] <= self.number:
            return self
        config = NicheConfig.model_validate(fields["config"])
        return DesiredState(config, fields["apps"], fields["number"])
