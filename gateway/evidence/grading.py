"""From two answers to two scores: by a rule, by the judge, or by what clients say of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.models.adapters import load_adapter
from deployments.models.errors import ModelError
from deployments.spec import ModelSpec
from gateway.config import GradingSection
from gateway.evidence.store import Compared, Given, Note
from router.grading.counts import Reference
from router.grading.registry import GRADERS, as_read

Scores = tuple[float, float]
"""Of the specialist's answer and of the generalist's, each in [0, 1]."""


class UnusableCorrection(Exception):
    """A correction that the grader cannot hold an answer against; the message says why."""


def default_grader(spec: ModelSpec) -> str:
    """The grader of the niche that a specialist's adapter was trained for, else `text`."""
    if spec.adapter is None:
        return "text"
    try:
        graders = load_adapter(spec.adapter).graders
    except ModelError:  # where it is served from says so
        return "text"
    return graders[0] if graders and graders[0] in GRADERS else "text"


@dataclass(frozen=True)
class Grading:
    """How the pairs of one specialist are graded, and by which grader corrections are used."""

    settings: GradingSection
    grader: str

    @property
    def judged(self) -> bool:
        """Whether the judge has to be asked."""
        return self.settings.by == "judge"

    @property
    def awaits_feedback(self) -> bool:
        """Whether a pair waits for what clients say."""
        return self.settings.by == "feedback"

    def by_rule(self, compared: Compared) -> Scores:
        """The scores under the rule `json`."""
        return self._is_json(compared.specialist), self._is_json(compared.generalist)

    def by_feedback(self, compared: Compared, notes: Mapping[str, Note]) -> Scores | None:
        """The scores, once a correction is there, or a score for each answer; else None.

        Raises:
            UnusableCorrection: the grader cannot use the correction.
        """
        correction = next((note.correction for note in notes.values() if note.correction), None)
        if correction is not None:
            specialist = self.against(compared.specialist.text, correction)
            generalist = self.against(compared.generalist.text, correction)
        else:
            specialist = _noted(notes, compared.specialist)
            generalist = _noted(notes, compared.generalist)
        if specialist is None or generalist is None:
            return None
        return specialist, generalist

    def against(self, answer: str | None, correction: str) -> float | None:
        """The score of an answer held against a right one; None where its text was not kept.

        Raises:
            UnusableCorrection: the grader cannot use the correction.
        """
        if answer is None:
            return None
        try:
            read = as_read(answer, self.grader, correction)
            return GRADERS[self.grader](read, Reference(correction)).quality
        except ValueError as error:
            raise UnusableCorrection(f"the grader {self.grader!r} cannot use it: {error}") from None

    def _is_json(self, given: Given) -> float:
        try:
            value = json.loads(given.text or "")
        except (ValueError, RecursionError):  # a huge number or a deep nesting is no JSON error
            return 0.0
        keys = self.settings.keys
        return float(not keys or (isinstance(value, dict) and set(keys) <= value.keys()))


def _noted(notes: Mapping[str, Note], given: Given) -> float | None:
    note = notes.get(given.model)
    return None if note is None else note.score
