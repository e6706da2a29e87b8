"""The base model, data and working directory of a training. Does not import torch, for the command
line."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """The base model, data and working directory of a training.

    Attributes:
        base: the base model's name, as the model card gives it.
        base_dir: its directory.
        data_dir: the folder of the public data sets.
        work_dir: the folder for checkpoints, from which an interrupted run resumes.
    """

    base: str
    base_dir: Path
    data_dir: Path
    work_dir: Path

    @property
    def context_tokens(self) -> int | None:
        """The base model's context length in tokens, if its `config.json` has it."""
        config = json.loads((self.base_dir / "config.json").read_text(encoding="utf-8"))
        found = config.get("max_position_embeddings")
        return None if found is None else int(found)
