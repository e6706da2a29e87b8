"""What the clients of every dialect ask with. `server.py` says what its models answer.

Every environment has pydantic, since every client does.
"""

from typing import Any, Literal

from pydantic import BaseModel


class Place(BaseModel):
    """The form of an answer."""

    name: str
    kind: Literal["town", "village"]


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}"


def get_time(city: str) -> str:
    """The time in a city."""
    return f"noon in {city}"


FUNCTIONS = [get_weather, get_time]

KEY = "a-key-of-the-clients"

HELLO = "hello"
FOR_SQL = "a SQL query"
SQL = "Columns: name, country, year of birth\nQuestion: Which singers are from France?"
"""The default stack's specialist `sql` answers it with a query."""
SLOWLY = "the SLOW one"
BREAKING = "the BREAKING one"
WEATHER = "call get_weather for Paris"
WEATHER_AND_TIME = "call get_weather and get_time for Paris"
"""The fake engine calls the functions that the last message names, if that is the user's."""

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
