"""The tables and the plot of a soak."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from loadtests.chaos.requests import Result
from loadtests.soak.samples import Sample, Slope, slope
from loadtests.table import markdown_rows

_MEBIBYTE = 1 << 20
_DPI = 100
_SHOWN = 10
"""Lines in a plot that can be told apart."""

Measure = Callable[[Sample], float]
MEASURES: dict[str, Measure] = {
    "MiB": lambda of: of.memory_bytes / _MEBIBYTE,
    "descriptors": lambda of: of.descriptors,
}


def report(samples: Sequence[Sample]) -> str:
    """A row for each process that was there from the begin to the end, and the others' number."""
    lived, others = by_process(samples)
    table = [["process", *(f"{name}{what}" for name in MEASURES for what in _COLUMNS)]]
    for process, of in lived.items():
        cells = [process.rpartition(" ")[0]]
        for measure in MEASURES.values():
            found = slope([(each.seconds, measure(each)) for each in of])
            cells += [f"{measure(of[0]):.0f}", f"{measure(of[-1]):.0f}", *_written(found)]
        table.append(cells)
    left = f"{others} more processes came or went meanwhile."
    return "\n".join([*markdown_rows(table), "", left])


_COLUMNS = (" at first", " at last", " per hour", ", so it")


def _written(found: Slope | None) -> tuple[str, str]:
    if found is None:
        return "-", ""
    return f"{found.per_hour:+.1f} ± {found.noise:.1f}", "grows" if found.grows else ""


def by_process(samples: Sequence[Sample]) -> tuple[dict[str, list[Sample]], int]:
    """The samples of each process that has one at every moment, and how many others there are."""
    found: dict[str, list[Sample]] = {}
    for of in samples:
        found.setdefault(of.process, []).append(of)
    moments = len({of.seconds for of in samples})
    lived = {name: of for name, of in sorted(found.items()) if len(of) == moments}
    return lived, len(found) - len(lived)


def clients_report(results: Sequence[Result], bad: Counter[tuple[str, str]]) -> str:
    """How the good clients' requests ended, and what the others saw."""
    good = Counter(of.outcome.value for of in results)
    table = [["clients", "saw", "times"]]
    table += [["good ones", name, str(count)] for name, count in good.most_common()]
    table += [[who, what, str(count)] for (who, what), count in sorted(bad.items())]
    return "\n".join(markdown_rows(table))


def plot(samples: Sequence[Sample], path: Path) -> None:
    """Draws the largest processes over time."""
    lived, _ = by_process(samples)
    largest = sorted(lived.items(), key=lambda of: -of[1][-1].memory_bytes)[:_SHOWN]
    figure = Figure(figsize=(11, 8), layout="constrained")
    plots = figure.subplots(len(MEASURES), sharex=True)
    for axes, (name, measure) in zip(plots, MEASURES.items(), strict=True):
        for process, of in largest:
            minutes = [each.seconds / 60 for each in of]
            axes.plot(minutes, [measure(each) for each in of], label=process)
        axes.set_ylabel(name)
    plots[-1].set_xlabel("minutes")
    figure.legend(*plots[-1].get_legend_handles_labels(), loc="outside right upper", fontsize=7)
    figure.savefig(path, dpi=_DPI)
