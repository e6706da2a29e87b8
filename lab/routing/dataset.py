"""The user's labelled prompts, from JSON Lines.

A row is an object with these fields; others are errors.

    text                a prompt as the user typed it; or instead of it
    messages a conversation, [{"role", "content"}, ...], that ends with the request
    domain its label; `general` for prompts that no specialist should get
    group rows that must stay in one split, such as those of a table or a template
                        (default: the wording, so that duplicates stay together)
    split               train, validation, calibration, test or unseen (default: drawn by group)
    source its origin; figures are shown per source (default: the file)
    specialist_score    how well the specialist of the domain answered it, from 0 to 1; and
    generalist_score how well the generalist did: guarantees on excess loss use both
"""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.protocol import Message
from lab.routing.rows import SPLITS, LabelledRow, wording
from lab.statistics.jsonl import Fault, read_jsonl, shorten, string
from router.classifier import text_of
from router.errors import DataError, TrainingError
from router.types import GENERAL, Query

DOMAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""Valid names of domains, the same as in `niche.yaml`."""

_RULE = (
    "allowed are up to 63 lower-case letters, digits, '.', '_' and '-', beginning with a letter or "
    "digit"
)
_SHOWN_NAMES = 10
_MIN_WORDINGS = 8
_FIELDS = (
    *("text", "messages", "domain", "group", "split", "source"),
    *("specialist_score", "generalist_score"),
)
_TURN_FIELDS = ("role", "content")
_ROLES = {role: role for role in ("system", "user", "assistant", "tool")} | {"developer": "system"}


@dataclass(frozen=True, slots=True)
class LabelledQuery:
    """A query with its domain; implements `lab.routing.rows.LabelledRow`.

    Attributes:
        query: the router's input.
        domain: its label.
        group: rows of one group stay in one split.
        split: one of `lab.routing.rows.SPLITS`; None: drawn by group.
        source: its origin.
        excess_loss: the generalist's score minus the specialist's, in [-1, 1]; None: unknown.
    """

    query: Query
    domain: str
    group: str
    split: str | None = None
    source: str = ""
    excess_loss: float | None = None

    @property
    def text(self) -> str:
        """The text to classify: the last user message."""
        return text_of(self.query)


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompts of a file: those with a domain, and those without."""

    labelled: tuple[LabelledQuery, ...]
    unlabelled: tuple[Query, ...]


def read_rows(path: Path) -> list[LabelledQuery]:
    """The rows of a file, each with its domain.

    Args:
        path: a `.jsonl` or `.jsonl.gz` file.

    Raises:
        DataError: the file cannot be read or is empty, or rows have faults.
    """

    def parse(fields: dict[str, Any]) -> LabelledQuery:
        query = parse_query(fields)
        if fields.get("domain") is None:
            raise Fault(f"no domain; say where the prompt belongs, or {GENERAL!r}")
        return _labelled(query, fields, path.name)

    found = read_jsonl(path, parse)
    _require_names(path, found)
    return found


def read_prompts(path: Path) -> Prompts:
    """As `read_rows`, but rows may lack a domain.

    Raises:
        DataError: the file cannot be read or is empty, or rows have faults.
    """

    def parse(fields: dict[str, Any]) -> LabelledQuery | Query:
        query = parse_query(fields)
        return query if fields.get("domain") is None else _labelled(query, fields, path.name)

    rows = read_jsonl(path, parse)
    labelled = tuple(row for row in rows if isinstance(row, LabelledQuery))
    _require_names(path, labelled)
    return Prompts(
        labelled=labelled,
        unlabelled=tuple(row for row in rows if isinstance(row, Query)),
    )


def require_trainable(rows: Sequence[LabelledRow]) -> None:
    """Checks that the rows can train a router.

    Raises:
        TrainingError: there are fewer than two domains, or too few different prompts in one.
    """
    wordings: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        wordings[row.domain].add(wording(row.text))
    if len(wordings) < 2:
        raise TrainingError(
            f"all {len(rows):,} rows have the domain {', '.join(wordings) or '(none)'}: there is "
            "nothing to tell it from; add prompts of another domain, or of the domain "
            f"{GENERAL!r}: what no specialist should get"
        )
    few = {domain: len(found) for domain, found in wordings.items() if len(found) < _MIN_WORDINGS}
    if few:
        counts = ", ".join(f"{domain} ({count})" for domain, count in sorted(few.items()))
        raise TrainingError(
            f"too few different prompts in {counts}; a domain needs at least {_MIN_WORDINGS} to be "
            "trained and measured, and some hundreds to be good: add prompts, or leave it out"
        )


def contradictions(rows: Iterable[LabelledQuery]) -> dict[str, tuple[str, ...]]:
    """Single prompts with several labels, each with its domains."""
    domains: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.query.text is not None:
            domains[wording(row.text)].add(row.domain)
    return {text: tuple(sorted(found)) for text, found in domains.items() if len(found) > 1}


def parse_query(fields: dict[str, Any]) -> Query:
    """The query of a row.

    Raises:
        Fault: it has unknown fields, or not exactly one of text and messages.
    """
    refuse_unknown(fields, _FIELDS)
    text, messages = fields.get("text"), fields.get("messages")
    if (text is None) == (messages is None):
        given = "neither" if text is None else "both"
        raise Fault(f"{given} of text and messages; give one of them")
    if text is not None:
        query, empty = Query(text=string(text, "text")), "text is empty"
    else:
        query, empty = Query(messages=_turns(messages)), "messages has no user message with text"
    if not text_of(query).strip():
        raise Fault(f"{empty}; remove the row, or write the prompt")
    return query


def refuse_unknown(fields: Mapping[str, Any], allowed: Sequence[str], where: str = "") -> None:
    """Checks for unknown fields.

    Raises:
        Fault: a field is unknown; the fault names it, the nearest known field, and all known ones.
    """
    for name in fields:
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise Fault(
                f"{where}unknown field {shorten(name)}; {hint}allowed: {', '.join(allowed)}"
            )


def domain_of(value: Any) -> str:
    """Returns the value if it is a valid domain name.

    Raises:
        Fault: it is not.
    """
    name = string(value, "domain")
    if not DOMAIN.fullmatch(name):
        raise Fault(f"domain {_with_valid_name(name)}: {_RULE}")
    return name


def _require_names(path: Path, rows: Sequence[LabelledQuery]) -> None:
    """Raises a `DataError` of one line if domains have invalid names: a label is in many rows."""
    wrong = [name for name in {row.domain: None for row in rows} if not DOMAIN.fullmatch(name)]
    if wrong:
        names = ", ".join(map(_with_valid_name, wrong[:_SHOWN_NAMES]))
        more = f" and {len(wrong) - _SHOWN_NAMES} more" if len(wrong) > _SHOWN_NAMES else ""
        raise DataError(f"{path}: domain {names}{more}: {_RULE}")


def _with_valid_name(name: str) -> str:
    """An invalid name, and the valid one that it is like, if there is one."""
    likely = re.sub(r"[^a-z0-9._-]+", "-", name.casefold()).strip("-._")[:63]
    hint = f" (write {likely!r})" if DOMAIN.fullmatch(likely) else ""
    return f"{shorten(name)}{hint}"


def score_of(value: Any, name: str) -> float:
    """Returns the value if it is a number from 0 to 1.

    Raises:
        Fault: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Fault(f"{name} is {shorten(value)}; it must be a number from 0 to 1")
    return float(value)


def _labelled(query: Query, fields: dict[str, Any], source: str) -> LabelledQuery:
    split = fields.get("split")
    if split is not None and split not in SPLITS:
        raise Fault(f"no split {shorten(split)}; allowed: {', '.join(SPLITS)}")
    group = fields.get("group")
    given = fields.get("source")
    return LabelledQuery(
        query=query,
        domain=string(fields["domain"], "domain"),
        group=wording(text_of(query)) if group is None else string(group, "group"),
        split=split,
        source=source if given is None else string(given, "source"),
        excess_loss=_excess_loss(fields),
    )


def _turns(messages: Any) -> tuple[Message, ...]:
    if not isinstance(messages, list) or not messages:
        raise Fault(f"messages is {shorten(messages)}; it must be a list of turns")
    return tuple(_turn(turn, f"messages[{index}]") for index, turn in enumerate(messages))


def _turn(turn: Any, name: str) -> Message:
    if not isinstance(turn, dict):
        raise Fault(f"{name} is {shorten(turn)}; it must be an object with role and content")
    refuse_unknown(turn, _TURN_FIELDS, f"{name}: ")
    role = turn.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise Fault(f"{name}: no role {shorten(role)}; allowed: {', '.join(_ROLES)}")
    return Message(_ROLES[role], string(turn.get("content"), f"{name}.content"))


def _excess_loss(fields: dict[str, Any]) -> float | None:
    specialist, generalist = fields.get("specialist_score"), fields.get("generalist_score")
    if specialist is None and generalist is None:
        return None
    if specialist is None or generalist is None:
        given = "generalist_score" if specialist is None else "specialist_score"
        raise Fault(f"{given} alone; give both scores of the prompt, or none")
    return score_of(generalist, "generalist_score") - score_of(specialist, "specialist_score")
