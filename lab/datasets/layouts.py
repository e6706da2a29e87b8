"""Ways in which people put a task to a model: a table and a question, a text and an instruction.

The data sets have one layout each; users have many. The layout of a prompt is drawn from its text,
so it never changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.datasets.draw import draw

TABLE_NAMES = (
    *(
        "t",
        "data",
        "results",
        "players",
        "records",
        "matches",
        "games",
        "table1",
        "people",
        "orders",
    ),
    *("employees", "products", "stats", "teams", "sales", "customers", "visits", "events"),
)

_NATIVE = "Columns: {columns}\nQuestion: {question}"

LAYOUTS = (
    # The specialist's own layout comes most often.
    *([_NATIVE] * 6),
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

INSTRUCTIONS: Mapping[str, tuple[str, ...]] = {
    "math": (
        "Solve: {}",
        "Solve this problem: {}",
        "Solve the following word problem.\n\n{}",
        "Write the equation for this problem: {}",
        "Which equation solves this? {}",
        "Turn this into an equation: {}",
        "Word problem: {}",
        "Problem: {}\nEquation:",
        "Question: {}\nAnswer:",
        "{}\nWrite the equation.",
        "{} Show me the calculation.",
        "Help me with my homework: {}",
    ),
    "biomed": (
        "List the chemicals and diseases in this sentence: {}",
        "Extract chemicals and diseases: {}",
        "Extract the drugs and diseases from the following text.\n\n{}",
        "Which chemicals and diseases does this sentence mention? {}",
        "NER: {}",
        "Named entities (chemical, disease): {}",
        "Tag the biomedical entities: {}",
        "Annotate this sentence of an abstract: {}",
        "Sentence: {}\nEntities:",
        "{}\n\nWhich drugs and diseases are named here?",
        "{}\nGive me the chemicals and diseases as JSON.",
        "Find all disease and chemical names. {}",
    ),
    "support": (
        "Customer message: {}",
        "Customer: {}",
        "A customer writes: {}",
        "Message from a bank customer: {}\nIntent:",
        "Classify this banking message: {}",
        "Classify the intent of this customer's message: {}",
        "What is the intent? {}",
        "Which banking intent is this: {}",
        "Label this message to our bank with its intent.\n\n{}",
        "Bank support chat: {}",
        "{}\nWhat does this customer want?",
        "Intent of: {}",
    ),
}
"""What people write around the text that a niche is about. The specialists were trained on the text
alone, and so it comes most often."""

_INSTRUCTED_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Restyled:
    """A table and a question in some layout.

    Attributes:
        text: the message.
        table: the table's name as the message gives it; None where it names none.
        columns: the columns as the message writes them, in the order they were given.
        question: the question as the message writes it.
    """

    text: str
    table: str | None
    columns: tuple[str, ...]
    question: str


def restyle(columns: Sequence[str], question: str) -> Restyled:
    """The table and the question in a layout drawn from them, the same one at every call."""
    key = _NATIVE.format(columns=", ".join(columns), question=question)
    if draw(key, "case") < 0.3:
        question = question.lower()
    if draw(key, "names") < 0.4:
        columns = [column.replace(" ", "_") for column in columns]
    layout = LAYOUTS[int(draw(key, "layout") * len(LAYOUTS))]
    table = TABLE_NAMES[int(draw(key, "table") * len(TABLE_NAMES))]
    text = layout.format(
        table=table,
        columns=", ".join(columns),
        typed=", ".join(f"{column} TEXT" for column in columns),
        listed="\n- ".join(columns),
        question=question,
    )
    return Restyled(text, table if "{table}" in layout else None, tuple(columns), question)


def vary(prompt: str) -> str:
    """The prompt of the `sql` niche in another layout, the same one at every call.

    Args:
        prompt: in the niche's own layout, a line of columns and a line with the question.
    """
    first, _, second = prompt.partition("\n")
    columns = first.removeprefix("Columns: ").split(", ")
    return restyle(columns, second.removeprefix("Question: ")).text


def instruct(niche: str, text: str) -> str:
    """The text, a share of them with an instruction around it, the same one at every call.

    Args:
        niche: a key of `INSTRUCTIONS`.
        text: what the niche is about.
    """
    if draw(text, "instructed") >= _INSTRUCTED_SHARE:
        return text
    known = INSTRUCTIONS[niche]
    return known[int(draw(text, "instruction") * len(known))].format(text)
