"""The demonstration told to people: `report.md`. It says what is no model at all."""

from collections.abc import Mapping, Sequence
from typing import Any

from lab.demonstration.stand_in import PREFIX


def markdown(found: Mapping[str, Any], planted: str, about: Sequence[str]) -> str:
    """The report.

    Args:
        found: of `figures`.
        planted: the specialist with the adapter of another niche.
        about: lines on how it was made.
    """
    sections = [
        "# A planted bad specialist, and a better generalist mid-stream",
        " ".join(_sentences(found, planted)),
        "![Traffic shares and regret over the stream](shares.png)",
        "## Demotions by evidence",
        _demotions(found["demotions"]),
        "## The swap",
        _swap(found.get("swap")),
        "## Quality and regret",
        _WAYS,
        _ways(found["ways"]),
        "## Specialists beside the generalist",
        _specialists(found["specialists"]),
        "## How it was made",
        "\n".join(
            f"- {text}"
            for text in (*about, *_requests(found["requests"]), *_stand_ins(found), *_LIMITS)
        ),
    ]
    return "\n\n".join(sections) + "\n"


_WAYS = (
    "Quality is the mean grade of the stream's answers. Regret is the sum of what a way scored "
    "less than the oracle, which knows for each prompt which of the two answers is better; nobody "
    "can. *Per domain* takes for each specialist and phase the better model on average, in "
    "hindsight: no selection by domain does better, and what *selection* lacks to it is the price "
    "of finding out."
)


_LIMITS = (
    "Both answers to a prompt are graded by its row's grader, and feedback is a score for each: a "
    "real user knows less. Prompts come once each, in random order.",
)


def _sentences(found: Mapping[str, Any], planted: str) -> list[str]:
    """What happened, first of all to the planted one."""
    told = []
    of_planted = [of for of in found["demotions"] if of["specialist"] == planted]
    if of_planted:
        first = of_planted[0]
        told.append(
            f"The planted specialist `{planted}` lost its traffic after {first['pairs']} compared "
            f"answers ({first['after']} requests of all kinds); {_felt(first)}"
        )
    else:
        told.append(f"The planted specialist `{planted}` was **not** demoted.")
    for phase in found["phases"]:
        names = [
            f"`{of['specialist']}`"
            for of in found["demotions"]
            if of["phase"] == phase["phase"] and of["specialist"] != planted
        ]
        told.append(
            f"In phase {phase['phase']}, beside `{phase['generalist']}`, of the other specialists "
            f"{', '.join(names) if names else 'none'} lost theirs."
        )
    return told


def _felt(demotion: Mapping[str, Any]) -> str:
    if not demotion["late"]:
        moved = demotion["first_moved_seconds"]
        when = f" (its next prompt came {moved:.1f} s later)" if moved is not None else ""
        return f"every request sent after that went to the generalist{when}."
    return (
        f"{demotion['late']} more requests reached it, the last one sent "
        f"{demotion['late_seconds']:.2f} s later; then all went to the generalist."
    )


def _demotions(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "None."
    return _table(
        (
            *("phase", "specialist", "pairs", "requests sent", "difference then [interval]"),
            *("reached it later", "seconds", "why"),
        ),
        [
            (
                str(of["phase"]),
                of["specialist"],
                str(of["pairs"]),
                str(of["after"]),
                _interval(of["quality"]),
                str(of["late"]),
                f"{of['late_seconds']:.2f}",
                of["reason"],
            )
            for of in rows
        ],
    )


def _interval(quality: Sequence[float] | None) -> str:
    if quality is None:
        return "-"
    low, mean, high = quality
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def _swap(swap: Mapping[str, Any] | None) -> str:
    if not swap or len(swap) < 2:
        return "The stream ended before it."
    before, after = swap["before"], swap["after"]
    rows = [
        (
            name,
            *(before["states"][name], str(before["pairs"][name])),
            *(after["states"][name], str(after["pairs"][name])),
        )
        for name in sorted(before["states"])
    ]
    told = (
        "The configuration is read when the stack starts, so the stack was stopped and started "
        "with the other generalist, on the same file of states. States stay; evidence is about two "
        f"versions: there were {sum(before['pairs'].values())} pairs before, and "
        f"{sum(after['pairs'].values())} right after."
    )
    head = ("specialist", "state before", "pairs before", "state after", "pairs after")
    return f"{told}\n\n{_table(head, rows)}"


def _ways(ways: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    names = list(ways["all"])
    head = ("", *(f"{part}: {what}" for part in ways for what in ("quality", "regret")))
    return _table(
        head,
        [
            (
                name,
                *(
                    text
                    for part in ways.values()
                    for text in (
                        (f"{part[name]['quality']:.3f}", f"{part[name]['regret']:.1f}")
                        if name in part
                        else ("-", "-")
                    )
                ),
            )
            for name in names
        ],
    )


def _specialists(rows: Sequence[Mapping[str, Any]]) -> str:
    return _table(
        ("phase", "specialist", "requests", "its quality", "the generalist's", "served by it"),
        [
            (
                str(of["phase"]),
                of["specialist"],
                str(of["requests"]),
                f"{of['quality']:.3f}",
                f"{of['generalist_quality']:.3f}",
                str(of["served"]),
            )
            for of in rows
        ],
    )


def _requests(counts: Mapping[str, int]) -> list[str]:
    return [
        f"{counts['sent']} requests, {counts['failed']} of them failed; of "
        f"{counts['both_answers_known']} both answers are known, {counts['pairs_as_evidence']} of "
        "them compared by the gateway and scored by feedback, the others asked for by name "
        f"afterwards; for {counts['no_specialist_chosen']} the classifier chose no specialist; "
        f"{counts['left_out_of_regret']} are left out of the regret."
    ]


def _stand_ins(found: Mapping[str, Any]) -> list[str]:
    names = [f"`{of['generalist']}`" for of in found["phases"] if PREFIX in of["generalist"]]
    if not names:
        return []
    return [
        f"{' and '.join(dict.fromkeys(names))}: no model, but a server that knows the prompts' "
        "right answers and gives them for these shares of the prompts, at once. Router, "
        "specialists, comparison, evidence and switching are the real ones; the generalist's "
        "latency and cost mean nothing here."
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
