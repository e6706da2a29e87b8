"""The demonstration in figures, as JSON values: what `report.json` holds and `report.md` tells."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from lab.demonstration.demotions import demotions
from lab.demonstration.records import Request, Story
from lab.demonstration.regret import known, regret, scores


def figures(story: Story, generalist: str) -> dict[str, Any]:
    """All of them.

    Args:
        story: what happened.
        generalist: its name in the stack.
    """
    complete = known(story.requests, generalist)
    return {
        "phases": [
            {**asdict(phase), "requests": sum(of.phase == phase.phase for of in story.requests)}
            for phase in story.phases
        ],
        "requests": {
            "sent": len(story.requests),
            "failed": sum(of.model is None for of in story.requests),
            "both_answers_known": sum(of.specialist is not None for of in complete),
            "no_specialist_chosen": sum(of.specialist is None for of in complete),
            "left_out_of_regret": len(story.requests) - len(complete),
            "pairs_as_evidence": sum(of.paired for of in story.requests),
        },
        "demotions": [_demotion(of) for of in demotions(story)],
        "transitions": [asdict(of) for of in story.transitions],
        "swap": _swap(story),
        "ways": {
            "all": _ways(complete, generalist),
            **{
                f"phase {of.phase}": _ways(
                    [request for request in complete if request.phase == of.phase], generalist
                )
                for of in story.phases
            },
        },
        "specialists": _specialists(story, complete, generalist),
    }


def _demotion(found: Any) -> dict[str, Any]:
    fields = asdict(found)
    return {**fields.pop("transition"), **fields}


def _swap(story: Story) -> dict[str, Any] | None:
    """States and pairs at the last look before the swap, and at the first after it."""
    if len(story.phases) < 2:
        return None
    sides = {
        "before": [of for of in story.evidence if of.phase == 1][-1:],
        "after": [of for of in story.evidence if of.phase == 2][:1],
    }
    return {
        side: {"states": dict(of.states), "pairs": dict(of.pairs)}
        for side, [of] in ((side, looks) for side, looks in sides.items() if looks)
    }


def _ways(requests: Sequence[Request], generalist: str) -> dict[str, dict[str, float]]:
    if not requests:
        return {}
    scored = scores(requests, generalist)
    behind = {way: values[-1] for way, values in regret(scored).items()}
    return {
        way: {"quality": fmean(values), "regret": behind.get(way, 0.0)}
        for way, values in scored.items()
    }


def _specialists(
    story: Story, complete: Sequence[Request], generalist: str
) -> list[dict[str, Any]]:
    """By phase and specialist: both qualities, and how much of its traffic it got."""
    rows = []
    for phase in story.phases:
        names = sorted({of.specialist for of in complete if of.specialist is not None})
        for name in names:
            mine = [of for of in complete if of.phase == phase.phase and of.specialist == name]
            if not mine:
                continue
            rows.append(
                {
                    "phase": phase.phase,
                    "specialist": name,
                    "requests": len(mine),
                    "quality": fmean(of.outcomes[name] for of in mine),
                    "generalist_quality": fmean(of.outcomes[generalist] for of in mine),
                    "served": sum(of.model == name for of in mine),
                }
            )
    return rows
