"""The experiment: its arms, and the requests that each of them needs.

    auto        the gateway chooses
    generalist  the baseline: one model answers everything
    shuffle     content-blind: auto's models, assigned at random to the prompts, so that each has
                exactly the share that auto gave it; asked by name
    oracle      a router that reads each prompt's label: its domain's specialist, asked by name
    MODEL       one specialist answers everything

In a first round all but `shuffle` and `oracle` are asked, which need to know where auto went; of
`oracle` only what no other arm has asked yet.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lab.comparison.client import ChatRequest
from lab.comparison.endpoint import Catalogue, Endpoint
from lab.comparison.errors import ComparisonError
from lab.comparison.outcomes import Outcome
from lab.comparison.rows import Chat, Row

AUTO, GENERALIST, SHUFFLE, ORACLE = "auto", "generalist", "shuffle", "oracle"
_ALL = "all"


@dataclass(frozen=True)
class RequestedArms:
    """The arms that the user asks for.

    Attributes:
        endpoint: the gateway.
        auto: the model name that asks it for a routed answer.
        generalist: the baseline's model name; None: the one that the gateway calls its generalist.
        baseline: where the baseline is asked; None: at the gateway too.
        solo: specialists that answer everything; `all`: every one.
    """

    endpoint: Endpoint
    auto: str = AUTO
    generalist: str | None = None
    baseline: Endpoint | None = None
    solo: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """The arms with their models' names and addresses.

    Attributes:
        endpoint, baseline: where arms, and where the baseline, are asked.
        auto: the model name that asks for a routed answer.
        generalist: the baseline's model name.
        solo: specialists that answer everything.
        specialists: the model of each domain that has one.
        models: all that the gateway lists.
        own_generalist: the gateway's own, where it tells; only that can be among auto's routes.
    """

    endpoint: Endpoint
    baseline: Endpoint
    auto: str
    generalist: str
    solo: tuple[str, ...] = ()
    specialists: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    own_generalist: str | None = None

    def first_requests(self, rows: Sequence[Row], max_tokens: int) -> Iterator[ChatRequest]:
        """The requests that do not depend on where auto routes."""
        for row in rows:
            tokens = row.max_tokens or max_tokens
            chat = self._chat(row, self.auto)  # the generalist itself, in an A/A run
            yield ChatRequest(row.key, AUTO, self.auto, self.endpoint, chat, tokens)
            yield ChatRequest(
                row.key, GENERALIST, self.generalist, self.baseline, row.generalist_chat, tokens
            )
            for model in self.solo:
                yield ChatRequest(row.key, model, model, self.endpoint, row.chat, tokens)

    def follow_up_requests(
        self, rows: Sequence[Row], routed: Mapping[str, Outcome], seed: int, max_tokens: int
    ) -> Iterator[ChatRequest]:
        """The requests that do.

        Args:
            rows: all of them.
            routed: auto's outcome of each row; where one names no model, there is no shuffle.
            seed: of the assignment.
            max_tokens: of an answer whose row names no number.
        """
        models = shuffled_assignments([routed[row.key].model for row in rows], seed)
        for row, model in zip(rows, models, strict=True):
            tokens = row.max_tokens or max_tokens
            if model is not None:
                chat = self._chat(row, model)
                yield ChatRequest(row.key, SHUFFLE, model, self.endpoint, chat, tokens)
            own = self.specialists.get(row.domain)
            if own is not None and own not in self.solo and own != routed[row.key].model:
                yield ChatRequest(row.key, ORACLE, own, self.endpoint, row.chat, tokens)

    def _chat(self, row: Row, model: str) -> Chat:
        return row.generalist_chat if model == self.own_generalist else row.chat


def shuffled_assignments(models: Sequence[str | None], seed: int) -> list[str | None]:
    """The models in random order; where a route is not known, one of the others takes its place.

    Where no route is known at all, there is no assignment.
    """
    known = sorted(model for model in models if model is not None)
    if not known:
        return [None] * len(models)
    rng = random.Random(seed)
    assignments = [*known, *rng.choices(known, k=len(models) - len(known))]
    rng.shuffle(assignments)
    return list(assignments)


def plan_experiment(wanted: RequestedArms, catalogue: Catalogue) -> Experiment:
    """The experiment with the arms that were asked for.

    Raises:
        ComparisonError: the baseline has no name, or an arm is no model of the gateway's.
    """
    generalist = wanted.generalist or (catalogue.generalist if wanted.baseline is None else None)
    if generalist is None:
        raise ComparisonError(
            "no baseline: its server names no generalist; name one with --generalist"
        )
    every = wanted.solo == (_ALL,)
    solo = tuple(catalogue.specialists.values()) if every else wanted.solo
    named = [*solo, wanted.auto, *([] if wanted.baseline else [generalist])]
    strange = [name for name in named if catalogue.models and name not in catalogue.models]
    if strange:
        raise ComparisonError(
            f"no model {strange[0]!r} at {wanted.endpoint.base_url}; there are "
            f"{', '.join(catalogue.models)}"
        )
    taken = [name for name in solo if name in (AUTO, GENERALIST, SHUFFLE, ORACLE)]
    if taken or len({*solo}) < len(solo):
        raise ComparisonError(
            f"--arms {' '.join(solo)}: names of specialists, each once; auto, generalist, shuffle "
            "and oracle are always there"
        )
    return Experiment(
        endpoint=wanted.endpoint,
        baseline=wanted.baseline or wanted.endpoint,
        auto=wanted.auto,
        generalist=generalist,
        solo=solo,
        specialists=catalogue.specialists,
        models=catalogue.models,
        own_generalist=catalogue.generalist,
    )
