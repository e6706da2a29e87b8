"""`sql`: the columns of one table and a question -> one SQLite query over the table `t`."""

from collections.abc import Iterator
from pathlib import Path

from deployments.datasets.manifest import read_rows
from deployments.niches.niche import Example, Niche, Split

__all__ = ["SQL", "prompt"]

_SPLITS = {"train": "train", "validation": "dev", "test": "test"}


def prompt(columns: list[str], question: str) -> str:
    """The user's message that the specialist is trained on."""
    return f"Columns: {', '.join(columns)}\nQuestion: {question}"


def _examples(split: Split, data_dir: Path) -> Iterator[Example]:
    for row in read_rows("wikisql", data_dir):
        if row["split"] == _SPLITS[split]:
            yield Example(prompt(row["columns"], row["question"]), row["sql"], row["table_id"])


SQL = Niche(
    name="sql",
    system_prompt="Write one SQL query over table t.",
    datasets=("wikisql",),
    grader="sql",
    max_answer_tokens=96,
    examples=_examples,
)
