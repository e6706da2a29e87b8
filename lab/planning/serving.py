"""The figures of docs/results/serving.md, which `make bench` measured: of one gateway process.

Rule: a figure that is not in the text is an error that names it.
"""

import re
from collections.abc import Iterator

from lab.planning.errors import PlanError

FORWARDED = "to the upstream"
IN_REPLICA = "fake engine"
"""Where the engine is: behind another server, or in a replica on Ray Serve."""
STREAM_TOKENS = 32
"""Of each of the benchmark's streams."""

_WHOLE, _STREAMS = "Whole answers", "Streams"
_REST = {
    # The forwarding stack was not measured at rest: bare Ray Serve stands for it.
    FORWARDED: "bare Ray Serve, six trivial applications",
    IN_REPLICA: "Niche, six models, fake engine",
}


class Serving:
    """The medians, in seconds and cores.

    Arms are `named` and `auto`: the model that the client names, or the router's choice.

    Args:
        text: the file.
    """

    def __init__(self, text: str) -> None:
        self._values = dict(_values(text))

    def value(self, section: str, name: str, title: str, clients: int | None = None) -> float:
        """A median.

        Raises:
            PlanError: it is not in the file.
        """
        try:
            return self._values[section, name, clients, title]
        except KeyError:
            at = f" at {clients} clients" if clients else ""
            raise PlanError(
                f"no figure {title!r} of {name!r}{at} below {section!r}; measure it: make bench"
            ) from None

    def rate(self, arm: str, way: str, clients: int) -> float:
        """Whole answers per second."""
        return self.value(_WHOLE, _name(arm, way), "requests/s", clients)

    def p50(self, arm: str, way: str, clients: int) -> float:
        """Seconds to a whole answer."""
        return self.value(_WHOLE, _name(arm, way), "p50, ms", clients) / 1000

    def request(self, arm: str, way: str, clients: int) -> float:
        """CPU seconds of a whole answer, without what the stack takes at rest."""
        taken = self.value(_WHOLE, _name(arm, way), "CPU per request, ms", clients) / 1000
        return taken - self._rest(way) / self.rate(arm, way, clients)

    def token_rate(self, arm: str, clients: int) -> float:
        """Tokens per second of all forwarded streams."""
        return self.value(_STREAMS, _name(arm, FORWARDED), "tokens/s", clients)

    def first_token(self, arm: str, clients: int) -> float:
        """Median of the seconds to the first token of a forwarded stream."""
        return self.value(_STREAMS, _name(arm, FORWARDED), "first token p50, ms", clients) / 1000

    def stream(self, arm: str, clients: int) -> float:
        """CPU seconds of a forwarded stream, without what the stack takes at rest."""
        token = self.value(_STREAMS, _name(arm, FORWARDED), "CPU per token, ms", clients) / 1000
        return STREAM_TOKENS * (token - self._rest(FORWARDED) / self.token_rate(arm, clients))

    def _rest(self, way: str) -> float:
        return self.value("At rest", _REST[way], "CPU at rest, % of a core") / 100


def _name(arm: str, way: str) -> str:
    return f"Niche, {'`auto`' if arm == 'auto' else 'model named'}, {way}"


def _values(text: str) -> Iterator[tuple[tuple[str, str, int | None, str], float]]:
    """The medians in the tables, by section, row, clients and column."""
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, *lines = section.splitlines()
        rows = [_cells(line) for line in lines if line.startswith("|")]
        for name, *cells in rows[2:]:
            row = dict(zip(rows[0][1:], cells, strict=True))
            clients = int(row["clients"]) if "clients" in row else None
            for title, cell in row.items():
                if re.match(r"[\d.,]+", cell):
                    yield (heading, name, clients, title), float(cell.split()[0].replace(",", ""))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
