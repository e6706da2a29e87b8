"""Runs a comparison from prompts to verdict: requests, storage, grading, judging.

Each answer is stored in the results' folder at once; the same command resumes an interrupted run,
and only computes if all answers are there. The margin is one of the stored conditions, so it cannot
be changed afterwards.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from tqdm import tqdm

from lab.comparison.analysis import AnalysisSettings, analyse
from lab.comparison.client import ChatRequest, Client
from lab.comparison.costs import CostKind
from lab.comparison.endpoint import Catalogue, Endpoint, read_catalogue
from lab.comparison.errors import ComparisonError
from lab.comparison.experiment import AUTO, Experiment, RequestedArms, plan_experiment
from lab.comparison.figures import Figures
from lab.comparison.journal import Journal
from lab.comparison.judge import Judge, check_judge, judgements
from lab.comparison.outcomes import Outcome
from lab.comparison.rows import JUDGE, Row
from lab.comparison.sample import sample
from lab.comparison.scheduler import send_all, shuffled, warm_up
from lab.comparison.verdict import Verdict, verdict

_ARMS = 4
"""Requests per prompt for the fixed arms: auto, generalist, shuffle, oracle."""
MODELS = "models.json"
"""The first file that a comparison writes; it marks a folder of results."""
_OUTCOMES, _JUDGEMENTS = "outcomes.jsonl", "judgements.jsonl"


@dataclass(frozen=True)
class Settings:
    """The settings of a comparison.

    Attributes:
        out: the results' folder, which exists.
        terms: margin, concurrency, seed, prices.
        warm_up: requests to each model that are discarded.
        timeout_seconds: after which a request has failed.
        max_tokens: the limit of an answer if its row has none.
        max_requests: a run that may need more fails before its first request.
        cost: the cost that decides; None: the first known one.
    """

    out: Path
    terms: AnalysisSettings
    warm_up: int = 2
    timeout_seconds: float = 120.0
    max_tokens: int = 256
    max_requests: int = 20_000
    cost: CostKind | None = None


@dataclass(frozen=True)
class ComparisonResult:
    """The figures and their experiment."""

    figures: Figures
    verdict: Verdict
    experiment: Experiment


class Session:
    """One comparison.

    Args:
        rows: the prompts.
        settings: the settings.
        http: the HTTP client.
        clock: monotonic seconds.
        report_step: called with a sentence at each step, for people.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        settings: Settings,
        http: httpx.AsyncClient,
        clock: Callable[[], float],
        report_step: Callable[[str], object],
    ) -> None:
        self._rows, self._settings, self._http, self._report_step = (
            rows,
            settings,
            http,
            report_step,
        )
        self._client = Client(http, clock, settings.timeout_seconds)
        self._models = settings.out / MODELS

    async def compare(self, wanted: RequestedArms, judge: Judge | None = None) -> ComparisonResult:
        """Sends the missing requests, and computes the figures.

        Raises:
            ComparisonError: the comparison cannot run as requested, or a server is gone.
        """
        catalogue = await self._catalogue(wanted.endpoint)
        experiment = plan_experiment(wanted, catalogue)
        self._check(judge, experiment)
        outcomes = await self._outcomes(experiment, catalogue)
        said = await self._judgements(judge, outcomes) if judge else {}
        terms = self._settings.terms
        figures = analyse(sample(self._rows, outcomes, said, experiment, terms.prices), terms)
        return ComparisonResult(
            figures, verdict(figures, terms.margin, self._settings.cost), experiment
        )

    async def _catalogue(self, endpoint: Endpoint) -> Catalogue:
        """The gateway's models as they were when the comparison began."""
        if self._models.is_file():
            fields = json.loads(self._models.read_text(encoding="utf-8"))
            if fields["at"] == endpoint.base_url:
                return Catalogue.from_json(fields)
        return await read_catalogue(self._http, endpoint)

    async def _outcomes(
        self, experiment: Experiment, catalogue: Catalogue
    ) -> Mapping[str, Mapping[str, Outcome]]:
        """The outcomes of all arms, by arm and row."""
        journal = Journal(self._settings.out / _OUTCOMES, self._conditions(experiment))
        kept = [Outcome.from_json(fields) for fields in journal.read()]
        # Only now the folder is known to belong to this comparison.
        models = {"at": experiment.endpoint.base_url, **asdict(catalogue)}
        self._models.write_text(json.dumps(models) + "\n", encoding="utf-8")
        tokens, seed = self._settings.max_tokens, self._settings.terms.seed
        await self._send(experiment.first_requests(self._rows, tokens), journal, kept)
        routed = {outcome.row: outcome for outcome in kept if outcome.arm == AUTO}
        await self._send(
            experiment.follow_up_requests(self._rows, routed, seed, tokens), journal, kept
        )
        found: dict[str, dict[str, Outcome]] = {}
        for outcome in kept:
            found.setdefault(outcome.arm, {})[outcome.row] = outcome
        return found

    async def _judgements(
        self, judge: Judge, outcomes: Mapping[str, Mapping[str, Outcome]]
    ) -> Mapping[str, Mapping[str, Outcome]]:
        """The judge's replies, by row and question."""
        conditions = {"judge": judge.model, "at": judge.endpoint.base_url, **self._set()}
        journal = Journal(self._settings.out / _JUDGEMENTS, conditions)
        kept = [Outcome.from_json(fields) for fields in journal.read()]
        await self._send(judgements(self._rows, outcomes, judge), journal, kept)
        found: dict[str, dict[str, Outcome]] = {}
        for reply in kept:
            found.setdefault(reply.row, {})[reply.arm] = reply
        return found

    async def _send(
        self, requests: Iterable[ChatRequest], journal: Journal, kept: list[Outcome]
    ) -> None:
        """Sends the requests without an outcome, and adds their outcomes."""
        settings, done = self._settings, {(outcome.row, outcome.arm) for outcome in kept}
        left = [request for request in requests if (request.row, request.arm) not in done]
        left = shuffled(left, settings.terms.seed)
        if not left:
            return
        self._report_step(f"{len(left):,} requests, {settings.terms.concurrency} concurrent")
        await warm_up(left, self._client.send, settings.warm_up)
        with tqdm(total=len(left), unit="request", leave=False, disable=None) as bar:

            def keep(outcome: Outcome) -> None:
                journal.append(outcome.as_json())
                kept.append(outcome)
                bar.update()

            await send_all(left, self._client.send, keep, settings.terms.concurrency)

    def _check(self, judge: Judge | None, experiment: Experiment) -> None:
        most = len(self._rows) * (_ARMS + len(experiment.solo))
        if most > self._settings.max_requests:
            raise ComparisonError(
                f"this may take {most:,} requests; give fewer prompts or arms, or allow as many "
                f"with --max-requests {most}"
            )
        needs = any(row.grader == JUDGE for row in self._rows)
        if needs and judge is None:
            raise ComparisonError(
                "rows have the grader `judge`; name one with --judge-url and --judge-model"
            )
        if judge is not None:
            check_judge(judge, experiment)

    def _set(self) -> dict[str, Any]:
        keys = "".join(sorted(row.key for row in self._rows))
        return {"prompts": hashlib.sha256(keys.encode()).hexdigest()[:16]}

    def _conditions(self, experiment: Experiment) -> dict[str, Any]:
        return {
            **self._set(),
            "auto": experiment.auto,
            "at": experiment.endpoint.base_url,
            "generalist": experiment.generalist,
            "generalist at": experiment.baseline.base_url,
            "margin": self._settings.terms.margin,
            "seed": self._settings.terms.seed,
            "max_tokens": self._settings.max_tokens,
            "timeout_seconds": self._settings.timeout_seconds,
            "concurrency": self._settings.terms.concurrency,
        }
