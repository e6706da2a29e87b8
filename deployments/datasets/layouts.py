"""Ways in which people put a table and a question to a model.

WikiSQL has one layout; users have many. The layout of a prompt is drawn from its text, so it never
changes.
"""

from deployments.datasets.draw import draw

__all__ = ["LAYOUTS", "TABLE_NAMES", "vary"]

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


def vary(prompt: str) -> str:
    """The prompt of the `sql` niche in another layout, the same one at every call.

    Args:
        prompt: in the niche's own layout, a line of columns and a line with the question.
    """
    first, _, second = prompt.partition("\n")
    columns = first.removeprefix("Columns: ").split(", ")
    question = second.removeprefix("Question: ")
    if draw(prompt, "case") < 0.3:
        question = question.lower()
    if draw(prompt, "names") < 0.4:
        columns = [column.replace(" ", "_") for column in columns]
    return LAYOUTS[int(draw(prompt, "layout") * len(LAYOUTS))].format(
        table=TABLE_NAMES[int(draw(prompt, "table") * len(TABLE_NAMES))],
        columns=", ".join(columns),
        typed=", ".join(f"{column} TEXT" for column in columns),
        listed="\n- ".join(columns),
        question=question,
    )
