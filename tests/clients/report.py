"""What a run says: read from reports in JUnit's format, written as a page."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests.clients.clients import Client

Outcomes = dict[str, list[bool]]
"""Whether each case of a scenario passed, by the scenario's name."""

_HEAD = """# Clients

`make test-clients` runs these clients against a gateway on loopback and writes this page. Each is
in an environment of its own; the official client's scenarios are a part of `make test` as well.
They ask with `model="auto"`, unless a scenario is about a model that is full, sees no images or
does not exist. Models of engine `fake` answer, with calls and JSON that are valid; in the rows of
the default stack it is the default stack. A cell has the number of cases. The gateway stores
responses, as the AI SDK's provider for Responses expects unless it is told `store: false`.

"""


def outcomes(report: Path) -> Outcomes:
    """The scenarios of a report but the skipped ones; none at all if there is no report."""
    found: Outcomes = {}
    cases = ElementTree.parse(report).getroot().iter("testcase") if report.exists() else ()
    for case in cases:
        if case.find("skipped") is None:
            name = re.sub(r"^test_|\[.*$", "", case.attrib["name"]).replace("_", " ")
            passed = case.find("failure") is None and case.find("error") is None
            found.setdefault(name, []).append(passed)
    return found


def green(found: Mapping[str, Outcomes]) -> bool:
    """Whether every client has scenarios, and all passed."""
    return all(scenarios and all(map(all, scenarios.values())) for scenarios in found.values())


def lines(found: Mapping[str, Outcomes]) -> Iterator[str]:
    """A line for each client: how many cases, and which scenarios failed."""
    for name, scenarios in found.items():
        failed = [scenario for scenario, cases in scenarios.items() if not all(cases)]
        count = sum(map(len, scenarios.values()))
        yield f"{name}: {count} cases, failed: {', '.join(failed) or 'none'}"


def page(clients: Sequence[Client], found: Mapping[str, Outcomes]) -> str:
    """The page: the packages, then scenarios by clients."""
    packages = [(client.name, client.package) for client in clients]
    names = [client.name for client in clients]
    scenarios = dict.fromkeys(name for name in names for name in found[name])
    rows = [(of, *(_cell(found[name].get(of, [])) for name in names)) for of in scenarios]
    total = sum(len(cases) for outcomes in found.values() for cases in outcomes.values())
    return "".join(
        [
            _HEAD,
            _table(("client", "package"), packages),
            f"\n{len(scenarios)} scenarios, {total} cases:\n\n",
            _table(("scenario", *names), rows),
        ]
    )


def _cell(cases: Sequence[bool]) -> str:
    if not cases:
        return ""
    return str(len(cases)) if all(cases) else f"**{cases.count(False)} of {len(cases)} fail**"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
