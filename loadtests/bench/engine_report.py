"""The figures of `loadtests.bench.engines` as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from loadtests.bench.journal import Sample
from loadtests.bench.spread import Spread, ratios, spread
from loadtests.table import format_number, markdown_rows

COMPARED = (
    ("general-1 tokens/s", "llama", "raw", "at least 0.9"),
    ("general-8 tokens/s", "llama", "raw", "at least 0.92"),
    ("general-1 tokens/s", "llama", "plain", "at least 4"),
    ("general-8 tokens/s", "llama", "plain", "published"),
    ("specialists' memory", "llama", "own", "at most 0.35: the same options"),
    ("specialists' memory", "pool", "own", "as many slots in all"),
    ("mixed-16 tokens/s", "pool", "own", "published"),
    ("mixed-16 first token", "pool", "own", "published"),
    ("single-1 tokens/s", "pool", "own", "published"),
    ("mixed-16 tokens/s", "many-adapters", "one-adapter", "published"),
    ("specialists' memory", "many-adapters", "one-adapter", "published"),
    ("mixed-16 tokens/s", "vllm-pool", "vllm-own", "at least 1.0"),
    ("mixed-16 tokens/s", "vllm-many-adapters", "vllm-one-adapter", "at least 0.7"),
    ("specialists' memory", "vllm-pool", "vllm-own", "published"),
)
"""A figure, two arms whose ratio it is, and what is wanted of it."""


def figures(samples: Sequence[Sample], arm: str, name: str) -> dict[int, float | None]:
    """A figure of an arm by round."""
    return {
        sample.step.round: sample.values.get(name) for sample in samples if sample.step.name == arm
    }


def report(about: Mapping[str, Any], samples: Sequence[Sample], notes: Sequence[str]) -> str:
    """The figures as Markdown: medians with the smallest and the largest."""
    ratio_rows = [("figure", "of", "against", "ratio", "wanted")]
    for name, ours, theirs, wanted in COMPARED:
        found = ratios(figures(samples, ours, name), figures(samples, theirs, name))
        ratio_rows.append((name, ours, theirs, _shown(found), wanted))
    names = list(dict.fromkeys(key for sample in samples for key in sample.values))
    titles = [(arm, title) for arm, title in about["titles"].items()]
    rows = [("figure", *(arm for arm, _ in titles))]
    for name in names:
        scale = 1e-6 if name.endswith("memory") else 1.0
        cells = (
            spread(
                None if of is None else of * scale for of in figures(samples, arm, name).values()
            )
            for arm, _ in titles
        )
        rows.append((f"{name}, MB" if scale < 1 else name, *map(_shown, cells)))
    lines = [
        "# Engines",
        "",
        f"Commit {about['commit']}; {about['machine']['processor']}, {about['machine']['cores']} "
        f"cores, {', '.join(about['machine']['flags'])}. Median [lowest, highest] of the rounds; "
        "seconds unless named.",
        "",
        *(f"- `{arm}`: {title}" for arm, title in titles),
        *("", "## Ratios", "", *markdown_rows(ratio_rows)),
        *("", "## Figures", "", *markdown_rows(rows), "", *notes),
    ]
    return "\n".join(lines) + "\n"


def _shown(found: Spread | None) -> str:
    if found is None:
        return "-"
    median_, low, high = map(format_number, (found.median, found.low, found.high))
    return f"{median_} [{low}, {high}]"
