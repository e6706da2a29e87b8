"""Two toy niches, a specialist for one of them, and a generalist: all that a run needs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lab.specialists.evaluation.plan import EvaluationConfig
from lab.specialists.evaluation.run import Settings
from lab.specialists.niche import Example, Niche, Split
from tests.deployments.adapters import save_adapter
from tests.deployments.chain_model import save_chain_model
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import make_niche, toy_examples


def _yes(split: Split, data_dir: Path) -> Iterator[Example]:
    del data_dir
    rows = [Example(example.prompt, "yes") for example in toy_examples(48)]
    yield from {"train": rows[:24], "validation": rows[24:32], "test": rows[32:]}[split]


ONE: Niche = replace(make_niche(), name="one", examples=_yes, graders=("text", "mentions"))
"""Every question's answer is `yes`."""

TWO: Niche = replace(
    make_niche(), name="two", other_tests={"more": lambda _: iter(toy_examples(4))}
)
"""Half of the answers are `yes`; there is a further test set."""


def toy_config(folder: Path, **over: object) -> EvaluationConfig:
    """A random generalist; `adapters(folder)` must have been made."""
    base = save_tiny_model(folder / "babbler")
    wanted = EvaluationConfig((ONE, TWO), str(base), folder, folder / "cache", rows=10)
    return replace(wanted, **over)


def adapters(folder: Path) -> Path:
    """A folder with one specialist, `one`, that says `yes` to everything."""
    base = save_chain_model(folder / "sayer", "yes")
    save_adapter(folder / "adapters" / "one", base, niche="one", system_prompt="say yes.")
    return folder / "adapters"


def settings(folder: Path, **over: object) -> Settings:
    """Answers go to `folder/work`."""
    return replace(Settings(folder / "work", "a test"), **over)
