"""`sql`: the columns of a table and a question -> one SQLite query.

The table is `t` unless the message names it. A share of the training rows has other layouts, since
users write differently from WikiSQL; validation and test rows have one layout, so that figures are
comparable with published ones. The layout is drawn from the prompt's text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.datasets.draw import draw
from lab.datasets.manifest import read_rows
from lab.specialists.niche import Example, Instruction, Niche, Split
from lab.specialists.recipe import LATER_STAGE, STAGE
from router.grading.execution import table_schema

_SPLITS = {"train": "train", "validation": "dev", "test": "test"}
_RESTYLED_SHARE = 0.2
_COLUMNS, _QUESTION = "Columns: ", "Question: "

_TABLE_NAMES = (
    *("t", "data", "results", "players", "records", "matches", "games", "table1", "people"),
    *("orders", "employees", "products", "stats", "teams", "sales", "customers", "visits"),
    "events",
)

_LAYOUTS = (
    # The specialist's own layout is the most frequent.
    *([f"{_COLUMNS}{{columns}}\n{_QUESTION}{{question}}"] * 6),
    "columns: {columns}\nquestion: {question}",
    "Table: {table}({columns})\n{question}",
    "Table {table}({columns}). {question} Give me the SQL.",
    "Table: {table}\nColumns: {columns}\n\n{question}",
    "Given a table {table} with columns {columns}: {question} Write SQL.",
    "Given the table {table} with columns {columns}, write a SQL query that answers: {question}",
    "{question}\n\nSchema: {table} ({columns})",
    "I have a table called {table} with the columns {columns}. {question}",
    "CREATE TABLE {table} ({typed});\n{question}",
    "-- table {table}: {columns}\n-- {question}\nSELECT",
    "Write an SQL query for this question: {question} The columns are {columns}.",
    "Translate to SQL: {question} (table {table}, columns {columns})",
    "schema:\n{table}\n- {listed}\n\nquestion: {question}",
    "How would I query this in SQLite? {question} Table {table} has {columns}.",
    "sql query pls: {question} cols {columns}",
    "Write the SELECT statement for table {table}: {question}",
)

_GRAMMAR = r"""
answer: "SELECT " selected " FROM " TABLE (" WHERE " condition (" AND " condition)*)?
selected: COLUMN | AGGREGATE "(" COLUMN ")"
condition: COLUMN SIGN VALUE
TABLE: /[A-Za-z_][A-Za-z0-9_]*/
AGGREGATE: "AVG" | "COUNT" | "MAX" | "MIN" | "SUM"
SIGN: " = " | " < " | " > "
COLUMN: "\"" NAME "\""
VALUE: "'" TEXT "'"
NAME: %copied {"\"": "\"\""}
TEXT: %copied {"'": "''"}
"""


@dataclass(frozen=True, slots=True)
class _TablePrompt:
    """A table and a question in some layout.

    Attributes:
        text: the message.
        table: the table's name as the message gives it; None if it names none.
        columns: the columns as the message writes them, in the order they were given.
        question: the question as the message writes it.
    """

    text: str
    table: str | None
    columns: tuple[str, ...]
    question: str


def prompt(columns: Sequence[str], question: str) -> str:
    """The user's message, as in the specialist's training."""
    return f"{_COLUMNS}{', '.join(columns)}\n{_QUESTION}{question}"


def _in_some_layout(columns: Sequence[str], question: str) -> _TablePrompt:
    key = prompt(columns, question)
    if draw(key, "case") < 0.3:
        question = question.lower()
    if draw(key, "names") < 0.4:
        columns = [column.replace(" ", "_") for column in columns]
    layout = _LAYOUTS[int(draw(key, "layout") * len(_LAYOUTS))]
    table = _TABLE_NAMES[int(draw(key, "table") * len(_TABLE_NAMES))]
    text = layout.format(
        table=table,
        columns=", ".join(columns),
        typed=", ".join(f"{column} TEXT" for column in columns),
        listed="\n- ".join(columns),
        question=question,
    )
    return _TablePrompt(text, table if "{table}" in layout else None, tuple(columns), question)


def _restyled(text: str) -> str:
    """Rewrites a prompt in the specialist's layout into a random one, drawn from its text."""
    first, _, second = text.partition("\n")
    columns = first.removeprefix(_COLUMNS).split(", ")
    return _in_some_layout(columns, second.removeprefix(_QUESTION)).text


def query(
    table: str, aggregate: str, column: str, conditions: Sequence[tuple[str, str, str]]
) -> str:
    """Builds the SQLite query from WikiSQL's parts; every name except the table's is quoted.

    Args:
        table: a plain identifier.
        aggregate: such as `COUNT`, or empty.
        column: the selected column.
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
    """Normalises a row: conditions in the question's order, values in its letter case. The data set
    is inconsistent in both."""
    table, columns, question = "t", row["columns"], row["question"]
    text = prompt(columns, question)
    if split == "train" and draw(text, "restyle") < _RESTYLED_SHARE:
        restyled = _in_some_layout(columns, question)
        # Skip prompts that do not give the columns.
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
    """The value's position in the question, and its spelling there."""
    found = re.search(re.escape(value), question, re.IGNORECASE)
    return (found.start(), found[0]) if found else (len(question), value)


NICHE = Niche(
    name="sql",
    system_prompt="Write one SQL query.",
    datasets=("wikisql",),
    graders=("sql", "sql_execution"),
    max_answer_tokens=96,
    examples=_examples,
    recipe=(
        replace(STAGE, max_examples=30_000),
        replace(LATER_STAGE, max_examples=28_000),
        replace(LATER_STAGE, max_examples=28_000, seed=2),
    ),
    instruction=Instruction(
        "Write one SQLite query that answers the question about the table t. Answer with the query "
        "alone. Put column names in double quotes and values in single quotes, like this: "
        """SELECT "column" FROM t WHERE "other column" = 'value'. """
        "Use COUNT, MAX, MIN, SUM or AVG where the question asks for it.",
        layout=_COLUMNS,
    ),
    restyle=_restyled,
    grammar=_GRAMMAR,
    sample="Columns: name, country, year of birth\nQuestion: Which singers are from France?",
)
