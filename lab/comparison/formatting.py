"""Formats numbers for people."""

from lab.statistics.interval import Interval


def points(share: float, sign: str = "+") -> str:
    """A difference of shares in points: 0.034 is `+3.4`."""
    return f"{100 * share:{sign}.1f}"


def points_between(found: Interval) -> str:
    """An interval in points: `+0.4 to +6.1`."""
    return f"{points(found.low)} to {points(found.high)}"


def percent(share: float) -> str:
    """A share: 0.375 is `37.5 %`."""
    return f"{100 * share:.1f} %"


def whole(number: float) -> str:
    """A count: `1,204`."""
    return f"{number:,.0f}"


def seconds(value: float) -> str:
    """A time in a suitable unit: `83 ms`, `1.24 s`."""
    if abs(value) < 0.0001:
        return f"{value * 1e6:.0f} \u00b5s"
    if abs(value) < 0.01:
        return f"{value * 1000:.1f} ms"
    return f"{value * 1000:.0f} ms" if abs(value) < 1 else f"{value:.2f} s"


def signed_seconds(value: float) -> str:
    """A difference of times: `+83 ms`, `\u22121.24 s`."""
    sign = "+" if value >= 0 else "\u2212"
    return f"{sign}{seconds(abs(value))}"


def money(value: float) -> str:
    """An amount of currency with three significant digits: `0.00123`, `12.3`."""
    if not value:
        return "0"
    return f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.2e}"
