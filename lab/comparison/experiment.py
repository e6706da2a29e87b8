"""The experiment: its arms, and the requests that each of them needs.

    auto        the gateway chooses
    generalist  the baseline: one model answers everything
    shuffle     content-blind: auto's models, assigned at random to the prompts, so that each has
                exactly the share that auto gave it; requests name the model
    oracle a router that reads each prompt's label: requests name the domain's specialist
    MODEL       one specialist answers everything

The first round sends all but `shuffle` and `oracle`, which depend on auto's routes. For `oracle`,
only requests that no other arm has sent are sent.
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
        auto: the model name that requests routing.
        generalist: the baseline's model name; None: the gateway's generalist.
        baseline: the baseline's endpoint; None: the gateway.
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
        endpoint, baseline: the endpoints of the arms and of the baseline.
        auto: the model name that requests routing.
        generalist: the baseline's model name.
        solo: specialists that answer everything.
        specialists: the model of each domain that has one.
        models: all models that the gateway lists.
        own_generalist: the gateway's generalist, if known; only this one can be among auto's
            routes.
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
        """The requests of the first round, which do not depend on auto's routes."""
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
        """The requests of the second round, which depend on auto's routes.

        Args:
            rows: all rows.
            routed: auto's outcome by row; without its model's name, a row has no shuffle.
            seed: the seed of the random assignment.
            max_tokens: the limit of an answer if its row has none.
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
    """The routes' models in random order; a random other one replaces an unknown route.

    Empty if no route is known.
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
        ComparisonError: the baseline has no name, or the gateway does not have an arm's model.
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
            f"--arms {' '.join(solo)}: name specialists, each once; auto, generalist, shuffle "
            "and oracle are always included"
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
