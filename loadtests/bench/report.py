"""The tables of a benchmark, in Markdown: medians over the rounds, with the range beside them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from loadtests.bench.journal import Sample, Step
from loadtests.bench.spread import Spread, differences, ratios, spread
from loadtests.bench.stacks import BARE
from loadtests.table import format_number, markdown_rows

_MS, _PERCENT, _MEGABYTES = 1000.0, 100.0, 1e-6
_BUSY_CLIENT = 0.8
"""Share of a core from which a client process may be the limit."""
_NEAR_BARE = 0.5
"""Share of the bare upstream's requests from which the load generator may be the limit."""
_REFERENCES = {"litellm": "LiteLLM's", "beside": "the other server's"}
"""Arms whose requests per second are the measure of the others', the first that is there."""

Rounds = Mapping[int, float | None]
"""A figure by round."""


class Figures:
    """The measurements of a run, by what they are of."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def of(self, name: str, kind: str, clients: int, value: str) -> Rounds:
        """A figure of an arm or a stack, by round."""
        return {
            sample.step.round: sample.values.get(value)
            for sample in self._samples
            if (sample.step.name, sample.step.kind, sample.step.clients) == (name, kind, clients)
        }

    def spread(self, name: str, kind: str, clients: int, value: str) -> Spread | None:
        """The spread of a figure over the rounds."""
        return spread(self.of(name, kind, clients, value).values())

    def total(self, name: str, kind: str, clients: int, value: str) -> int:
        """The sum of a count over the rounds."""
        return int(sum(of or 0 for of in self.of(name, kind, clients, value).values()))

    def places(self, *kinds: str) -> list[tuple[str, int]]:
        """The names and numbers of clients that were measured, in the order of the first round."""
        found = ((of.step.name, of.step.clients) for of in self._samples if of.step.kind in kinds)
        return list(dict.fromkeys(found))


Cell = Callable[[str, int], str]
Column = tuple[str, Cell]


def _shown(value: Spread | None, factor: float = 1.0) -> str:
    if value is None:
        return "-"
    middle, low, high = (
        format_number(_rounded(of * factor)) for of in (value.median, value.low, value.high)
    )
    return middle if value.rounds == 1 else f"{middle} [{low}, {high}]"


def _rounded(value: float) -> float:
    """Three digits of a small number, and whole ones of a large one."""
    return round(value) if abs(value) >= _MS else value


def _spread(figures: Figures, kind: str, value: str, factor: float = 1.0) -> Cell:
    return lambda name, clients: _shown(figures.spread(name, kind, clients, value), factor)


def _total(figures: Figures, kind: str, value: str) -> Cell:
    return lambda name, clients: str(figures.total(name, kind, clients, value))


def _whole(figures: Figures, reference: str | None) -> list[Column]:
    def times(name: str, clients: int) -> str:
        both = (
            figures.of(of, "whole", clients, "requests_per_second")
            for of in (name, reference or "")
        )
        return _shown(ratios(*both))

    columns = [
        ("clients", lambda _, clients: str(clients)),
        ("requests/s", _spread(figures, "whole", "requests_per_second")),
        ("p50, ms", _spread(figures, "whole", "p50_seconds", _MS)),
        ("p99, ms", _spread(figures, "whole", "p99_seconds", _MS)),
        ("failed", _total(figures, "whole", "failed")),
        ("timed out", _total(figures, "whole", "timed_out")),
        ("CPU per request, ms", _spread(figures, "whole", "cpu_seconds_each", _MS)),
    ]
    if reference is not None:
        columns.insert(2, (f"times {_REFERENCES[reference]}", times))
    return columns


def _streams(figures: Figures) -> list[Column]:
    def over_bare(name: str, clients: int) -> str:
        both = (figures.of(of, "streams", clients, "first_p50_seconds") for of in (name, BARE))
        return "" if name == BARE else _shown(differences(*both), _MS)

    return [
        ("clients", lambda _, clients: str(clients)),
        ("first token p50, ms", _spread(figures, "streams", "first_p50_seconds", _MS)),
        ("over the bare upstream's, ms", over_bare),
        ("first token p99, ms", _spread(figures, "streams", "first_p99_seconds", _MS)),
        ("worst gap p50, ms", _spread(figures, "streams", "worst_gap_p50_seconds", _MS)),
        ("worst gap p99, ms", _spread(figures, "streams", "worst_gap_p99_seconds", _MS)),
        ("tokens/s", _spread(figures, "streams", "tokens_per_second")),
        ("without a stall, %", _spread(figures, "streams", "stall_free_share", _PERCENT)),
        ("failed", _total(figures, "streams", "failed")),
        ("CPU per token, ms", _spread(figures, "streams", "cpu_seconds_each", _MS)),
    ]


def _capacity(figures: Figures) -> list[Column]:
    def limit(name: str, clients: int) -> str:
        if name == BARE or all(figures.of(name, "capacity", clients, "limited").values()):
            return ""
        return "at least: it held as many as the bare upstream, or as were tried"

    return [
        ("streams at once", _spread(figures, "capacity", "streams")),
        ("", limit),
    ]


def _at_rest(figures: Figures) -> list[Column]:
    return [
        ("processes", lambda name, _: _shown(figures.spread(name, "memory", 0, "processes"))),
        (
            "memory after the load (PSS), MB",
            lambda name, _: _shown(figures.spread(name, "memory", 0, "memory_bytes"), _MEGABYTES),
        ),
        (
            "CPU at rest, % of a core",
            lambda name, _: _shown(figures.spread(name, "idle", 0, "cpu_share"), _PERCENT),
        ),
    ]


def _table(
    titles: Mapping[str, str], places: Iterable[tuple[str, int]], columns: Sequence[Column]
) -> str:
    ordered = sorted(places, key=lambda place: list(titles).index(place[0]))
    head = ["", *(title for title, _ in columns)]
    rows = [
        [titles[name], *(cell(name, clients) for _, cell in columns)] for name, clients in ordered
    ]
    return "\n".join(markdown_rows([head, *rows])) if rows else "Not measured."


def notes(figures: Figures, titles: Mapping[str, str]) -> list[str]:
    """What a reader has to know about these figures."""
    found = []
    for name, clients in figures.places("whole"):
        pair = (figures.of(of, "whole", clients, "requests_per_second") for of in (name, BARE))
        share = ratios(*pair)
        if name != BARE and share is not None and share.median > _NEAR_BARE:
            found.append(
                f"{titles[name]}, {clients} clients: {share.median:.0%} of the bare upstream's "
                "requests; the load generator may be the limit."
            )
    for name, clients in figures.places("streams"):
        busy = figures.spread(name, "streams", clients, "client_busy")
        if busy is not None and busy.high > _BUSY_CLIENT:
            found.append(
                f"{titles[name]}, {clients} streams: a client process used {busy.high:.0%} of a "
                "core; it may be the limit."
            )
    return found


def markdown(
    about: Mapping[str, Any],
    titles: Mapping[str, str],
    samples: Sequence[Sample],
    remarks: Sequence[str] = (),
) -> str:
    """The whole report.

    Args:
        about: commit, machine, versions and settings.
        titles: of arms and stacks, in the order of the rows.
        samples: the measurements.
        remarks: what happened.
    """
    figures = Figures(samples)
    measured = {sample.step.name for sample in samples}
    reference = next((name for name in _REFERENCES if name in measured), None)
    parts = [
        "# The serving path, side by side",
        _about(about, samples),
        "## Whole answers",
        _table(titles, figures.places("whole"), _whole(figures, reference)),
        "## Streams",
        _table(titles, figures.places("streams"), _streams(figures)),
        "## The most streams of which 95 % do not stall",
        _table(titles, figures.places("capacity"), _capacity(figures)),
        "## At rest",
        _table(titles, figures.places("idle", "memory"), _at_rest(figures)),
    ]
    if lines := [*remarks, *notes(figures, titles)]:
        parts += ["## Notes", "\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def _about(about: Mapping[str, Any], samples: Sequence[Sample]) -> str:
    machine, settings = about["machine"], about["settings"]
    flags = ", ".join(machine["flags"]) or "no AVX2"
    versions = ", ".join(f"{name} {of}" for name, of in about["versions"].items() if of)
    rounds = len({sample.step.round for sample in samples})
    return "\n".join(
        [
            f"Commit {about['commit']}, {rounds} of {settings['rounds']} rounds in turn, "
            f"{settings['seconds']:g} s each; medians [smallest, largest].",
            f"{machine['processor']}, {machine['cores']} cores ({flags}), "
            f"{machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']}.",
            f"{versions}.",
        ]
    )


def summary(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Every figure's spread, as JSON values."""
    figures, rows = Figures(samples), []
    for step in dict.fromkeys(
        Step(0, of.step.name, of.step.kind, of.step.clients) for of in samples
    ):
        place = (step.name, step.kind, step.clients)
        names = dict.fromkeys(name for of in samples if _place(of) == place for name in of.values)
        for name in names:
            values = [of for of in figures.of(*place, name).values() if _is_number(of)]
            if (found := spread(values)) is not None:
                where = {"name": step.name, "kind": step.kind, "clients": step.clients}
                rows.append(where | {"figure": name} | asdict(found))
    return rows


def _place(sample: Sample) -> tuple[str, str, int]:
    return sample.step.name, sample.step.kind, sample.step.clients


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
