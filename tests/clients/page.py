"""The page of clients and scenarios."""

from collections.abc import Iterator, Mapping, Sequence

from tests.clients.clients import Client
from tests.clients.report import Outcomes

_HEAD = """# Clients

`make test-clients` runs these clients, each in an environment of its own, against a gateway on
loopback, and writes this page. They ask with `model="auto"`, but where a scenario is about a model that
is full, sees no images or does not exist. Engine `fake` answers, with calls and JSON that are valid; \
in the rows that begin with "default stack" the default stack does.

| client | package | scenarios |
| --- | --- | --- |
"""
_MARK = {True: "yes", False: "**no**", None: ""}


def page(clients: Sequence[Client], found: Mapping[str, Outcomes]) -> str:
    """The page; a cell is empty where a client has no such scenario."""
    listed = [f"| {of.name} | {of.title} | {len(found[of.name])} |" for of in clients]
    return _HEAD + "\n".join([*listed, "", *_table(found)]) + "\n"


def _table(found: Mapping[str, Outcomes]) -> Iterator[str]:
    yield f"| scenario | {' | '.join(found)} |"
    yield "| --- |" + " --- |" * len(found)
    for scenario in dict.fromkeys(name for outcomes in found.values() for name in outcomes):
        cells = [_MARK[outcomes.get(scenario)] for outcomes in found.values()]
        yield f"| {scenario} | {' | '.join(cells)} |"
