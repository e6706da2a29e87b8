"""Which parameters of a request ask for something."""

from collections.abc import Container
from typing import Any

import msgspec

from deployments.protocol import InvalidPrompt, ModelRequest

LABELS = frozenset({"metadata", "user"})
"""The client's own words, which change no answer."""

IDLE: dict[str, tuple[Any, ...]] = {
    "echo": (False,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
}
"""Parameters that no engine here serves, or not every one, with the values that ask for nothing."""


def asked(request: ModelRequest, known: Container[str], refusal: str) -> dict[str, Any]:
    """The parameters of a request that ask for something; `refusal` is said of those that are not
    `known`.

    Raises:
        InvalidPrompt: one of them is not known.
    """
    raw: dict[str, Any] = msgspec.json.decode(request.body)
    fields = {}
    for name, value in raw.items():
        if value is None or name in LABELS:
            continue
        if name in known:
            fields[name] = value
        elif not any(_same(value, idle) for idle in IDLE.get(name, ())):
            raise InvalidPrompt(name, refusal)
    return fields


def _same(value: Any, idle: Any) -> bool:
    return type(value) is type(idle) and bool(value == idle)  # in Python, 0 == False
