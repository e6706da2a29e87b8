"""What was measured beside its bars, and the tables."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtests.abuse.attacks import ATTACKS
from loadtests.abuse.forgery import CHANGED, CONTROL, READ, REPLACED, SCORED
from loadtests.abuse.hostile import Spoils
from loadtests.bench.spread import Spread, percentile, spread
from loadtests.table import format_number, markdown_rows

P95_TIMES = 1.5
GROWTH_BYTES = 100_000_000

_MEGABYTE = 1_000_000
_SHOWN = 4
"""Kinds of what hostile clients saw, in a cell."""
_OF_MEMORY = "prompts"
"""The abuse whose memory has a bar; that of the others is told as well."""


@dataclass(frozen=True)
class Polite:
    """What a polite client saw for a while.

    Attributes:
        seconds: of each answer, from when its request was due.
        failed: requests without an answer, by how they ended.
    """

    seconds: tuple[float, ...]
    failed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """An abuse, and the polite client beside it.

    Attributes:
        abuse: its name.
        clients: hostile ones at once.
        quiet: without it: before the first round and after each.
        abused: beside it, once a round.
        spoils: what hostile clients got, of all rounds.
        growth_bytes: the stack's memory at its peak, less that before the first round; None: not
            measured.
    """

    abuse: str
    clients: int
    quiet: tuple[Polite, ...]
    abused: tuple[Polite, ...]
    spoils: Spoils
    growth_bytes: int | None

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Measured":
        """From the JSON of `asdict`."""
        quiet, abused = (
            tuple(Polite(tuple(of["seconds"]), of["failed"]) for of in fields[name])
            for name in ("quiet", "abused")
        )
        spoils = Spoils(**fields["spoils"])
        names = ("abuse", "clients", "growth_bytes")
        return cls(quiet=quiet, abused=abused, spoils=spoils, **{of: fields[of] for of in names})

    @property
    def slowdown(self) -> Spread | None:
        """How many times the polite client's p95 of the quiet times around it each round's was;
        None where nobody was answered."""
        times = []
        for number, beside in enumerate(self.abused):
            around = self.quiet[number].seconds + self.quiet[number + 1].seconds
            quiet, abused = percentile(around, 0.95), percentile(beside.seconds, 0.95)
            times.append(None if quiet is None or abused is None else abused / quiet)
        return None if None in times else spread(times)

    @property
    def failures(self) -> Counter[str]:
        """The polite client's requests without an answer, at any time: what an abuse leaves behind
        is its work too."""
        return sum((Counter(of.failed) for of in (*self.quiet, *self.abused)), Counter())


@dataclass(frozen=True)
class Bar:
    """A limit, and what was measured; None: not known, which is missed.

    Attributes:
        name: what is limited.
        limit: the most that is allowed.
        value: what was measured.
        unit: behind both.
    """

    name: str
    limit: float
    value: float | None
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether it is kept."""
        return self.value is not None and self.value <= self.limit


def bars(of: Measured) -> Iterator[Bar]:
    """All bars of an abuse."""
    slowdown = of.slowdown
    times = None if slowdown is None else slowdown.median
    yield Bar("p95 against none", P95_TIMES, times, " x")
    yield Bar("failures of the polite client", 0, of.failures.total())
    facts = of.spoils.facts
    for name in (CHANGED, READ, SCORED, REPLACED):
        if name in facts:
            # What the control could not do says nothing about who may not.
            known = facts[name] or facts[CONTROL]
            yield Bar(name, 0, facts[name] if known else None)
    if of.abuse == _OF_MEMORY and of.growth_bytes is not None:
        yield Bar("memory", GROWTH_BYTES / _MEGABYTE, of.growth_bytes / _MEGABYTE, " MB more")


def report(all_of: Sequence[Measured]) -> str:
    """What the polite client and the hostile ones saw, and the bars."""
    seen = [_HEAD, *(_row(of) for of in all_of)]
    kept = [["abuse", "bar", "at most", "measured", ""]]
    for of in all_of:
        kept += [
            [
                _title(of),
                bar.name,
                f"{format_number(bar.limit)}{bar.unit}",
                "not known" if bar.value is None else f"{format_number(bar.value)}{bar.unit}",
                "met" if bar.met else "**missed**",
            ]
            for bar in bars(of)
        ]
    return "\n".join([*markdown_rows(seen), "", *markdown_rows(kept)])


_HEAD = (
    *("abuse", "p50 without, ms", "with", "p95 without, ms", "with", "times", "failures"),
    *("memory, MB", "hostile clients saw", "their CPU, s"),
)


def _row(of: Measured) -> list[str]:
    cells = [_title(of)]
    for share in (0.5, 0.95):
        for times in (of.quiet, of.abused):
            found = percentile([second for each in times for second in each.seconds], share)
            cells.append(format_number(None if found is None else round(found * 1000)))
    growth = of.growth_bytes
    return [
        *cells,
        _spread(of.slowdown),
        _counts(of.failures) or "0",
        "-" if growth is None else f"{growth / _MEGABYTE:+,.0f}",
        _counts(of.spoils.seen),
        f"{of.spoils.cpu_seconds:.1f}",
    ]


def _title(of: Measured) -> str:
    return ATTACKS[of.abuse].title.format(clients=of.clients)


def _spread(of: Spread | None) -> str:
    if of is None:
        return "-"
    if of.rounds == 1:
        return f"{of.median:.2f}"
    return f"{of.median:.2f} ({of.low:.2f} to {of.high:.2f})"


def _counts(counts: Mapping[str, int]) -> str:
    most = Counter(counts).most_common()
    words = [f"{count:,} {name}" for name, count in most[:_SHOWN]]
    if rest := sum(count for _, count in most[_SHOWN:]):
        words.append(f"{rest:,} others")
    return ", ".join(words)


def fields(of: Measured) -> dict[str, Any]:
    """For a file, with the bars."""
    kept = [asdict(bar) | {"met": bar.met} for bar in bars(of)]
    return asdict(of) | {"bars": kept}
