"""Outcomes as arrays: a column per prompt, the same prompts for every arm.

A failed request is wrong and has no latency and no cost. Values that a server did not report are
nan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from lab.comparison.errors import ComparisonError
from lab.comparison.experiment import GENERALIST, ORACLE, Experiment
from lab.comparison.judge import judged_quality, unread
from lab.comparison.outcomes import Outcome
from lab.comparison.prices import ModelPrice, Prices
from lab.comparison.rows import GENERAL, JUDGE, Row
from lab.statistics.bootstrap import group_numbers
from router.grading.registry import GRADERS, as_read

Floats = NDArray[np.float64]
Outcomes = Mapping[str, Mapping[str, Outcome]]
"""By arm and row."""


@dataclass(frozen=True)
class Arm:
    """One arm's answers; every array has the shape (rows,).

    Attributes:
        name: the arm's name.
        quality: in [0, 1].
        failed: whether there was no complete answer.
        list_cost, attributed_cost: in currency units; nan: unknown.
        engine_seconds: engine time; nan: unknown.
        first_seconds, seconds, per_token_seconds, longest_gap_seconds: see `Timing`.
        tokens: generated tokens; nan: unknown.
        models: the model that answered; None: unknown.
        texts: the answers.
    """

    name: str
    quality: Floats
    failed: NDArray[np.bool_]
    list_cost: Floats
    attributed_cost: Floats
    engine_seconds: Floats
    first_seconds: Floats
    seconds: Floats
    per_token_seconds: Floats
    longest_gap_seconds: Floats
    tokens: Floats
    models: tuple[str | None, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """All arms on the same prompts.

    Attributes:
        rows: the prompts.
        domains: the domain of each row; `general` for rows without one.
        groups: the group of each row, (rows,), numbered from 0.
        arms: arms by name.
        judgements: the number of questions to the judge, and of its unreadable replies.
    """

    rows: tuple[Row, ...]
    domains: tuple[str, ...]
    groups: NDArray[np.int64]
    arms: Mapping[str, Arm]
    judgements: tuple[int, int] = (0, 0)

    def of_domain(self, domain: str) -> NDArray[np.int64]:
        """The indices of a domain's rows."""
        return np.flatnonzero(np.array(self.domains) == domain)


def sample(
    rows: Sequence[Row], outcomes: Outcomes, said: Outcomes, experiment: Experiment, prices: Prices
) -> Sample:
    """Builds the sample of all arms that have an outcome for every row, graded and priced.

    Args:
        rows: the prompts; a row without the judge's verdict is left out for all arms.
        outcomes: outcomes by arm and row.
        said: the judge's replies by row, then by the names from `judgements`.
        experiment: the arms and their models.
        prices: list prices, used if the answers report no cost.

    Raises:
        ComparisonError: the judge gave no verdict at all.
    """
    rows = _graded(rows, outcomes, said)
    named = [row.domain or GENERAL for row in rows]
    found: dict[str, Arm] = {}
    for name, of_rows in outcomes.items():
        if all(row.key in of_rows for row in rows):
            theirs = prices.baseline_models if name == GENERALIST else {}
            quality = [_quality(row, name, outcomes, said) for row in rows]
            answers = [of_rows[row.key] for row in rows]
            found[name] = _arm(name, answers, quality, {**prices.models, **theirs})
    oracle = _oracle(rows, outcomes, said, experiment, prices)
    if oracle is not None:
        found[ORACLE] = oracle
    groups = group_numbers([row.group and f"{row.domain}/{row.group}" for row in rows])
    asked = [answer for of_row in said.values() for answer in of_row.values()]
    return Sample(tuple(rows), tuple(named), groups, found, (len(asked), unread(asked)))


def combined(name: str, parts: Sequence[Arm]) -> Arm:
    """Assembles an arm from the answers of other arms.

    Args:
        name: the new arm's name.
        parts: for each row, the arm to take the answer from.
    """
    arrays = {
        of.name: np.array([getattr(part, of.name)[place] for place, part in enumerate(parts)])
        for of in fields(Arm)
        if of.name not in ("name", "models", "texts")
    }
    return replace(
        parts[0],
        name=name,
        models=tuple(part.models[place] for place, part in enumerate(parts)),
        texts=tuple(part.texts[place] for place, part in enumerate(parts)),
        **arrays,
    )


def _oracle(
    rows: Sequence[Row], outcomes: Outcomes, said: Outcomes, experiment: Experiment, prices: Prices
) -> Arm | None:
    """The router that reads labels: for each row the answer of its domain's specialist, from any
    arm that has it, or the generalist's; None if no domain has a specialist."""
    if not any(row.domain in experiment.specialists for row in rows):
        return None
    answers, quality = [], []
    for row in rows:
        source = _source(row, outcomes, experiment)
        if source is None:
            return None
        answers.append(outcomes[source][row.key])
        quality.append(_quality(row, source, outcomes, said))
    return _arm(ORACLE, answers, quality, prices.models)


def _source(row: Row, outcomes: Outcomes, experiment: Experiment) -> str | None:
    own = experiment.specialists.get(row.domain)
    if own is None:
        return GENERALIST
    for name, of_rows in outcomes.items():
        answer = of_rows.get(row.key)
        if name != GENERALIST and answer is not None and own in (answer.model, name):
            return name
    return ORACLE if row.key in outcomes.get(ORACLE, {}) else None


def _graded(rows: Sequence[Row], outcomes: Outcomes, said: Outcomes) -> Sequence[Row]:
    """The rows on which every arm has a grade, so that arms stay comparable row by row."""
    graded = [
        row
        for row in rows
        if row.grader != JUDGE
        or all(
            _judged(row, arm, outcomes, said) is not None
            for arm, of_rows in outcomes.items()
            if row.key in of_rows
        )
    ]
    if rows and not graded:
        raise ComparisonError(
            "the judge gave no verdict that can be read; name another model with --judge-model"
        )
    return graded


def _judged(row: Row, arm: str, outcomes: Outcomes, said: Outcomes) -> float | None:
    answer, baseline = outcomes[arm][row.key], outcomes[GENERALIST][row.key]
    return judged_quality(arm, answer, baseline, said.get(row.key, {}))


def _quality(row: Row, arm: str, outcomes: Outcomes, said: Outcomes) -> float:
    answer = outcomes[arm][row.key]
    if row.grader == JUDGE:
        quality = _judged(row, arm, outcomes, said)
        assert quality is not None, "rows without a verdict are left out"
        return quality
    if answer.error:
        return 0.0
    read = as_read(answer.text, row.grader, row.reference.answer)
    return GRADERS[row.grader](read, row.reference).quality


def _arm(
    name: str,
    answers: Sequence[Outcome],
    quality: Sequence[float],
    prices: Mapping[str, ModelPrice],
) -> Arm:
    def column(values: Sequence[float | None]) -> Floats:
        known = [
            np.nan if value is None or answer.error else value
            for value, answer in zip(values, answers, strict=True)
        ]
        return np.array(known, dtype=np.float64)

    return Arm(
        name=name,
        quality=np.array(quality, dtype=np.float64),
        failed=np.array([answer.error is not None for answer in answers]),
        list_cost=column([_list_cost(answer, prices) for answer in answers]),
        attributed_cost=column([_attributed_cost(answer, prices) for answer in answers]),
        engine_seconds=column([answer.usage.engine_seconds for answer in answers]),
        first_seconds=column([answer.timing.first_seconds for answer in answers]),
        seconds=column([answer.timing.seconds for answer in answers]),
        per_token_seconds=column([answer.timing.per_token_seconds for answer in answers]),
        longest_gap_seconds=column([answer.timing.longest_gap_seconds for answer in answers]),
        tokens=column([answer.usage.completion_tokens for answer in answers]),
        models=tuple(answer.model for answer in answers),
        texts=tuple(answer.text for answer in answers),
    )


def _price(answer: Outcome, prices: Mapping[str, ModelPrice]) -> ModelPrice | None:
    """The price of the model that answered, if known, else of the requested one."""
    names = (answer.model, answer.reported_model, answer.asked)
    return next((prices[name] for name in names if name is not None and name in prices), None)


def _list_cost(answer: Outcome, prices: Mapping[str, ModelPrice]) -> float | None:
    usage, price = answer.usage, _price(answer, prices)
    if price is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return usage.list_cost
    return price.of(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens or 0)


def _attributed_cost(answer: Outcome, prices: Mapping[str, ModelPrice]) -> float | None:
    usage, price = answer.usage, _price(answer, prices)
    if price is None or usage.engine_seconds is None:
        return usage.attributed_cost
    return usage.engine_seconds * price.machine_per_hour / 3600
