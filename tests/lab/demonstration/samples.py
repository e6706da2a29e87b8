"""Requests and stories for tests."""

from typing import Any

from lab.comparison.rows import Row, Turn
from lab.demonstration.records import Phase, Request, Story, Transition
from router.grading.counts import Reference


def row(number: int, domain: str) -> Row:
    """`sql 7` is answered by `seven sql 7`; the fake engine can say that."""
    asked = f"{domain} {number}"
    chat = (Turn(role="user", content=asked),)
    return Row(asked, chat, chat, "text", Reference(f"seven {asked}"), domain)


def request(number: int, model: str | None = "big", **fields: Any) -> Request:
    """One of the specialist `sql` where it says so; it is sent at the second of its number."""
    given = {"phase": 1, "row": "r", "domain": "sql", "sent": float(number), "reason": "routed"}
    if model is None:
        given["reason"] = None
    return Request(number=number, model=model, **(given | fields))


def demoted(time: float, **fields: Any) -> Transition:
    """The specialist `sql`, by evidence."""
    given = {
        "phase": 1,
        "specialist": "sql",
        "before": "active",
        "after": "probation",
        "by": "evidence",
        "reason": "worse",
        "pairs": 12,
        "quality": (-0.9, -0.5, -0.1),
    }
    return Transition(time=time, **(given | fields))


def story(*requests: Request, transitions: tuple[Transition, ...] = ()) -> Story:
    """In one phase."""
    return Story((Phase(1, "small", 0.0),), requests, transitions, ())
