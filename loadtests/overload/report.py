"""The table of an overload."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.overload.clients import Load
from loadtests.table import format_number, markdown_rows

_HEAD = (
    *("stack", "load", "goodput, 1/s", "of the peak", "answered of the accepted"),
    *("answers p50, s", "p99, s", "refused", "refusals p99, s", "left", "failed"),
)


@dataclass(frozen=True)
class Measured:
    """One load of a stack.

    Attributes:
        stack: its title.
        times: how many times the measured capacity arrived.
        peak: whole answers a second without overload.
        load: what the clients saw.
    """

    stack: str
    times: float
    peak: float
    load: Load

    @property
    def goodput_share(self) -> float:
        """Whole answers a second beside the peak."""
        return self.load.goodput / self.peak if self.peak else 0.0


def markdown(measured: Sequence[Measured]) -> str:
    """All loads, a row each."""
    return "\n".join(markdown_rows([_HEAD, *map(_row, measured)]))


def _row(of: Measured) -> tuple[str, ...]:
    load = of.load
    return (
        of.stack,
        f"{of.times:g} x {format_number(of.peak)}/s",
        format_number(load.goodput),
        _percent(of.goodput_share),
        _percent(load.accepted_share),
        format_number(load.delay("answered", 0.5)),
        format_number(load.delay("answered", 0.99)),
        str(load.count("refused")),
        format_number(load.delay("refused", 0.99)),
        str(load.count("left")),
        str(load.count("failed")),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
