"""Values that were given by hand, over those that were measured."""

from collections.abc import Mapping

from lab.planning.measured import ANY, Measured, Work
from lab.planning.traffic import PlanError


def given(
    measured: Measured,
    seconds: Mapping[str, float],
    tokens: Mapping[str, float],
    speed: Mapping[str, float],
) -> Measured:
    """What is known in the end.

    Args:
        measured: what was measured.
        seconds: engine seconds of a request, by model.
        tokens: tokens generated for a request, by model.
        speed: tokens per second of a replica at full load, by model.

    Raises:
        PlanError: a speed has no tokens.
    """
    work = dict(measured.work)
    for model in sorted({*seconds, *tokens, *speed}):
        keys = [key for key in work if key[1] == model] or [(ANY, model)]
        values = (seconds, tokens, speed)
        work |= {key: _work(model, work.get(key), values) for key in keys}
    return Measured(measured.traffic, work, measured.sources)


def _work(
    model: str,
    known: Work | None,
    values: tuple[Mapping[str, float], Mapping[str, float], Mapping[str, float]],
) -> Work:
    seconds, tokens, speed = (of.get(model) for of in values)
    each = tokens if tokens is not None else known and known.tokens_each
    if speed is not None:
        if not each:
            raise PlanError(f"--speed {model}: how many tokens is an answer? give --tokens {model}")
        return Work(1.0, each / speed, each)
    if seconds is None:
        if known is None:
            raise PlanError(f"--tokens {model}: and how fast? give --seconds or --speed {model}")
        seconds = known.seconds_each
    return Work(1.0, seconds, each or 0.0)
