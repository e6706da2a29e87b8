"""`sql`: the columns of a table and a question -> one SQLite query.

The table is `t` unless the message names it. A share of the training rows comes in other layouts
(`lab.datasets.layouts`), since people do not write as WikiSQL does; validation and test
rows keep the one layout, so that figures compare with others'.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lab.datasets.draw import draw
from lab.datasets.layouts import restyle
from lab.datasets.manifest import read_rows
from lab.specialists.niches.niche import Example, Niche, Split
from router.grading.execution import table_schema

_SPLITS = {"train": "train", "validation": "dev", "test": "test"}
_RESTYLED_SHARE = 0.2


def prompt(columns: Sequence[str], question: str) -> str:
    """The user's message that the specialist is trained on."""
    return f"Columns: {', '.join(columns)}\nQuestion: {question}"


def query(
    table: str, aggregate: str, column: str, conditions: Sequence[tuple[str, str, str]]
) -> str:
    """The SQLite query of WikiSQL's parts; every name but the table's is quoted.

    Args:
        table: a plain identifier.
        aggregate: such as `COUNT`, or empty.
        column: what is selected.
        conditions: (column, operator, value), all of which must hold.
    """
    selected = f"{aggregate}({_name(column)})" if aggregate else _name(column)
    text = f"SELECT {selected} FROM {table}"
    if not conditions:
        return text
    escaped = ((name, sign, value.replace("'", "''")) for name, sign, value in conditions)
    return f"{text} WHERE " + " AND ".join(f"{_name(n)} {o} '{v}'" for n, o, v in escaped)


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _examples(split: Split, data_dir: Path) -> Iterator[Example]:
    for row in read_rows("wikisql", data_dir):
        if row["split"] != _SPLITS[split]:
            continue
        if split == "test":
            text, schema = prompt(row["columns"], row["question"]), table_schema(row["columns"])
            yield Example(text, row["sql"], row["table_id"], schema)
        else:
            yield _to_learn(row, split)


def _to_learn(row: dict[str, Any], split: Split) -> Example:
    """A row whose answer follows from its question: conditions in the question's order, values in
    its letter case. The set itself has both now in one way, now in another."""
    table, columns, question = "t", row["columns"], row["question"]
    text = prompt(columns, question)
    if split == "train" and draw(text, "restyle") < _RESTYLED_SHARE:
        restyled = restyle(columns, question)
        # Nothing can be learnt from a layout that does not say what the columns are.
        if all(column in restyled.text for column in restyled.columns):
            text, table, question = restyled.text, restyled.table or "t", restyled.question
            columns = restyled.columns
    written = dict(zip(row["columns"], columns, strict=True))
    found = [_place(str(value), question) for _, _, value in row["conds"]]
    conditions = [
        (written[column], sign, value)
        for (column, sign, _), (_, value) in sorted(
            zip(row["conds"], found, strict=True), key=lambda pair: pair[1][0]
        )
    ]
    answer = query(table, row["agg"], written[row["sel"]], conditions)
    return Example(text, answer, row["table_id"])


def _place(value: str, question: str) -> tuple[int, str]:
    """Where the value stands in the question, and how the question writes it."""
    found = re.search(re.escape(value), question, re.IGNORECASE)
    return (found.start(), found[0]) if found else (len(question), value)


SQL = Niche(
    name="sql",
    system_prompt="Write one SQL query.",
    datasets=("wikisql",),
    graders=("sql", "sql_execution"),
    max_answer_tokens=96,
    examples=_examples,
)
