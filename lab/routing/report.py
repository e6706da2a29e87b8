"""The report of a training or an evaluation: `report.md` with its plots.

It quotes misrouted prompts verbatim.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab.routing import tables
from lab.routing.by_form import FormFigures, form_table
from lab.routing.tradeoff import Tradeoff
from lab.routing.values import Evaluation
from lab.statistics.table import Table, escaped
from router.config import GuaranteeConfig
from router.guarantee import Guarantee, Risk
from router.trained import Calibration, Trained

_ALPHAS = (0.01, 0.02, 0.05, 0.10)
_SHOWN_DOMAINS = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """A number of sub-clusters per domain, with its figures on validation rows."""

    sub_clusters: int
    log_loss: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a training.

    Attributes:
        encoder: its name.
        data_sha256: fingerprint of the training rows.
        sizes: rows per split.
        dropped: rows left out as duplicates, or as too similar to a row of another split.
        choices: the settings tried on validation rows.
        trained: the trained parts, with their thresholds.
        test: figures on held-out rows of the training sources.
        unseen: figures on rows of other sources; None without such rows.
        guarantees: the guarantees at several levels.
        tuned: whether the encoder was fine-tuned.
        by_form: figures on test rows in each held-out form.
        tradeoff: routed against misrouted rows.
    """

    encoder: str
    data_sha256: str
    sizes: Mapping[str, int]
    dropped: int
    choices: tuple[Choice, ...]
    trained: Trained
    test: Evaluation
    unseen: Evaluation | None
    tradeoff: Tradeoff
    guarantees: tuple[Guarantee, ...] = ()
    tuned: bool = False
    by_form: tuple[FormFigures, ...] = ()

    @property
    def main(self) -> Evaluation:
        """The figures that the plots show."""
        return self.test

    def markdown(self, pictures: Sequence[str] = ()) -> str:
        """The report as Markdown.

        Args:
            pictures: file names of the plots.
        """
        head = self.trained.head
        sizes = ", ".join(f"{name} {count}" for name, count in self.sizes.items())
        parts = [
            "# Router: training report",
            f"Domains: {', '.join(map(escaped, head.classes))}. "
            f"Encoder: {escaped(self.encoder)}, {'fine-tuned' if self.tuned else 'frozen'}.",
            f"Rows: {sizes}; {self.dropped} dropped so that the splits share no group, no wording\n"
            "and no near-duplicate. Of the calibration rows, one of each group counts.",
            f"Training rows: sha256 `{self.data_sha256}`.",
            *self._settings(),
            "## Routed against misrouted",
            self.tradeoff.table().markdown(),
            *([f"**{self.tradeoff.warning}**"] if self.tradeoff.warning else []),
            *_guarantees(self.guarantees, self.main),
            "## Test",
            "Held-out rows of the training sources.",
            *_sections(self.test, pictures),
        ]
        parts += _forms(self.by_form)
        if self.unseen is not None:
            parts += ["## Unseen sources", "Training did not use these sources."]
            parts += _sections(self.unseen)
        return "\n\n".join([*parts, _LEGEND])

    def _settings(self) -> list[str]:
        head = self.trained.head
        chosen = max(head.domains.tolist().count(place) for place in range(len(head.classes)))
        kept = f"{head.temperature:.4f}" if head.temperature != 1 else "1 (another did not help)"
        return [
            "## Chosen on validation",
            f"Sub-clusters per domain: {chosen}. Temperature: {kept}.\n"
            f"Minimum confidence: {self.trained.min_confidence:.2f}.\n"
            f"Largest OOD score in distribution: {self.trained.ood.max_score:.4f}.",
            Table(
                ("sub-clusters", "log loss", "accuracy"),
                tuple(
                    (f"{choice.sub_clusters}", f"{choice.log_loss:.4f}", f"{choice.accuracy:.4f}")
                    for choice in self.choices
                ),
            ).markdown(),
        ]


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The evaluation of an artifact on labelled rows.

    Attributes:
        artifact: its name as given.
        encoder: its name.
        data: rows of each file or set.
        found: the figures.
        guarantees: the guarantees at several levels.
        notes: remarks on the rows.
        by_form: figures on the rows in each held-out form.
    """

    artifact: str
    encoder: str
    data: Mapping[str, int]
    found: Evaluation
    guarantees: tuple[Guarantee, ...] = ()
    notes: tuple[str, ...] = ()
    by_form: tuple[FormFigures, ...] = ()

    @property
    def main(self) -> Evaluation:
        """The figures that the plots show."""
        return self.found

    def markdown(self, pictures: Sequence[str] = ()) -> str:
        """The report as Markdown.

        Args:
            pictures: file names of the plots.
        """
        data = ", ".join(f"{escaped(name)} ({count:,} rows)" for name, count in self.data.items())
        parts = [
            "# Router: evaluation report",
            f"Artifact: {escaped(self.artifact)}. Encoder: {escaped(self.encoder)}. Data: {data}.",
            *map(escaped, self.notes),
            *_guarantees(self.guarantees, self.main),
            "## Figures",
            *_sections(self.found, pictures),
            *_forms(self.by_form),
            _LEGEND,
        ]
        return "\n\n".join(parts)


def promises(
    calibration: Calibration, wanted: GuaranteeConfig | None = None
) -> tuple[Guarantee, ...]:
    """The guarantees at the operator's level, if given, and at the usual levels.

    Args:
        calibration: of an artifact; without rows there are no guarantees at the usual levels.
        wanted: the operator's level.

    Raises:
        GuaranteeError: there are no calibration rows for the operator's level.
    """
    risks: list[Risk] = ["misroute"] if len(calibration.confidence) else []
    if np.isfinite(calibration.excess_loss).any():
        risks.append("excess_loss")
    usual = [GuaranteeConfig(alpha=alpha, risk=risk) for risk in risks for alpha in _ALPHAS]
    own = [] if wanted is None else [wanted]
    levels = [*own, *(level for level in usual if level not in own)]
    return tuple(calibration.guarantee(level) for level in levels)


def of_misroutes(guarantees: Sequence[Guarantee]) -> list[Guarantee]:
    """The guarantees on misrouted requests."""
    return [level for level in guarantees if level.risk == "misroute"]


def write_report(folder: Path, report: Report | EvaluationReport) -> tuple[Path, ...]:
    """Writes the plots and `report.md`, replacing existing files.

    Args:
        folder: the output folder; created if missing.
        report: the report.

    Returns:
        The files, the report first.
    """
    from lab.routing.plots import draw  # noqa: PLC0415 - matplotlib takes a second to import

    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(report.main, folder, report.guarantees)
    path = folder / "report.md"
    path.write_text(report.markdown([picture.name for picture in pictures]), encoding="utf-8")
    return (path, *pictures)


def summary(
    found: Evaluation,
    guarantees: Sequence[Guarantee] = (),
    by_form: Sequence[FormFigures] = (),
) -> str:
    """The main tables, for a terminal."""
    shown = [tables.figures(found)]
    if 0 < len(found.domains) <= _SHOWN_DOMAINS:
        shown.append(tables.domains(found))
    if 0 < len(found.outside) <= _SHOWN_DOMAINS:
        shown.append(tables.outside(found))
    if by_form:
        shown.append(form_table(by_form))
    if guarantees:
        shown.append(tables.guarantees(guarantees, found))
    return "\n\n".join(table.text() for table in shown)


def _sections(found: Evaluation, pictures: Sequence[str] = ()) -> list[str]:
    parts = [f"{found.rows:,} rows.", tables.figures(found).markdown()]
    parts += [f"![{Path(name).stem.replace('_', ' ')}]({name})" for name in pictures]
    if found.domains:
        parts += ["### Domains", tables.domains(found).markdown()]
    if found.confusion.pairs():
        parts += ["### Most frequent confusions", tables.confusions(found).markdown()]
    if found.outside:
        parts += ["### Rows that no specialist should get", tables.outside(found).markdown()]
    parts += ["### Sources", tables.sources(found).markdown()]
    if found.mistakes:
        parts += ["### Confident and wrong", _MISTAKES, tables.mistakes(found).markdown()]
    return parts


def _forms(figures: Sequence[FormFigures]) -> list[str]:
    if not figures:
        return []
    return ["## By form", _BY_FORM, form_table(figures, with_levels=True).markdown()]


def _guarantees(guarantees: Sequence[Guarantee], found: Evaluation) -> list[str]:
    if not guarantees:
        return []
    return ["## What can be guaranteed", _PROMISE, tables.guarantees(guarantees, found).markdown()]


_PROMISE = """From the calibration rows alone, which neither training nor the choice of settings
saw. It holds for traffic like theirs: beside it stands what each threshold does to the rows of this
report. Set `router.guarantee` in `niche.yaml` to have a line of this table."""

_BY_FORM = """The same rows inside other tasks, mails, long texts and so on, in wordings and kinds
that training never uses. `recall`: rows of a niche that its specialist gets; `misrouted`: share of
the routed rows that belong elsewhere, at the threshold in force. The last columns say whether that
share keeps a level of the guarantees at the level's own threshold: `unclear` if its interval lies
on both sides."""

_MISTAKES = """**These are prompts as they were asked, and may hold words of your users.** The first
choice was wrong, and so was the model that got the request; at most 20, shortened to 200
characters."""

_LEGEND = """## Reading the figures

- `accuracy`, `macro_f1`, `ece`, `adaptive_ece`, the domains' precision, recall and F1, the
  confusion matrix and the reliability diagram: the classifier's first choice. ECE is over 15 bins
  of equal width, the adaptive one over 15 with equally many rows.
- `routed`: share of rows that a specialist gets; `misrouted`: share of those that belong elsewhere;
  `missed`: share of the specialists' rows that the generalist gets.
- `risk_area`: area under the risk-coverage curve, the mean risk over the coverage that can be
  reached. Coverage is the share of all rows that a specialist gets at a threshold on the
  confidence, risk the share of those that belong elsewhere.
- `ood_*`: the out-of-distribution score alone, the general rows against the specialists'.
  `recall_at_5`: general rows that are declined where 5% of the specialists' are; `fpr95`: those
  that pass; `declined` and `lost`: general rows, and the specialists' own, above the threshold.
- Intervals are of 95%, by Wilson; of rows that no specialist should get, by Clopper and Pearson.
"""
