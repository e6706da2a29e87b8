"""What the clients of every dialect ask with. `server.py` says what its models answer."""

from typing import Any

KEY = "a-key-of-the-clients"

HELLO = "hello"
FOR_SQL = "a SQL query"
SQL = "Columns: name, country, year of birth\nQuestion: Which singers are from France?"
"""The default stack's specialist `sql` answers it with a query."""
SLOWLY = "the SLOW one"
BREAKING = "the BREAKING one"
WEATHER = "call get_weather for Paris"
WEATHER_AND_TIME = "call get_weather and get_time for Paris"
"""The fake engine calls the functions that a text names, until it has their results."""

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
"""The parameters of `get_weather` and `get_time`."""

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmM"
    "IQAAAABJRU5ErkJggg=="
)
"""A picture of one pixel, in base64."""
PICTURE = f"data:image/png;base64,{PNG}"
