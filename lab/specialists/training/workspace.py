"""The base model, data and working directory of a training. Free of torch, for the command line."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """The base model, data and working directory of a training.

    Attributes:
        base: the base model's name, as the model card gives it.
        base_dir: its directory.
        data_dir: where the public data sets lie.
        work_dir: for checkpoints; a run that was cut goes on from them.
    """

    base: str
    base_dir: Path
    data_dir: Path
    work_dir: Path

    @property
    def context_tokens(self) -> int | None:
        """How many tokens the base model takes, if its `config.json` says so."""
        config = json.loads((self.base_dir / "config.json").read_text(encoding="utf-8"))
        found = config.get("max_position_embeddings")
        return None if found is None else int(found)
