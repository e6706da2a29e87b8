"""The three answers that make a verdict: on quality, on cost, and on whether content matters."""

from typing import Literal

from lab.statistics.interval import Interval
from lab.statistics.paired import Paired

QualityState = Literal["better", "as good", "worse", "cannot tell"]
CostState = Literal["cheaper", "same", "dearer", "unknown"]
Control = Literal["content pays", "adds nothing", "worse than a mix", "cannot tell", "unknown"]


def quality_state(found: Paired, margin: float) -> QualityState:
    """How the first arm's quality stands to the second's."""
    if found.outcome == "wins":
        return "better"
    if found.kept(margin):
        return "as good"
    return "worse" if found.outcome == "loses" else "cannot tell"


def cost_state(found: Interval | None) -> CostState:
    """How the first arm's cost stands to the second's."""
    if found is None:
        return "unknown"
    if found.low <= 0 <= found.high:
        return "same"
    return "cheaper" if found.high < 0 else "dearer"


def control_state(found: Paired | None, margin: float) -> Control:
    """What `auto` has over a content-blind mix of the same models."""
    if found is None:
        return "unknown"
    if found.outcome == "wins":
        return "content pays"
    if found.outcome == "loses":
        return "worse than a mix"
    return "adds nothing" if found.difference.high < margin else "cannot tell"
