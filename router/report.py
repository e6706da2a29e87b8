"""What a training did, as values and as `report.md`."""

from collections.abc import Mapping
from dataclasses import dataclass

from router.evaluate import Evaluation
from router.head import Head

__all__ = ["Choice", "Report"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A number of sub-clusters per domain and its figures on validation."""

    sub_clusters: int
    log_loss: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Report:
    """A finished training.

    Attributes:
        encoder: its name.
        data_sha256: fingerprint of the training rows.
        sizes: rows per split.
        dropped: rows left out because they were too like a row of another split, or repeated.
        choices: what validation chose from.
        head: what was trained, with its thresholds.
        test: figures on rows of the sources that it was trained on.
        unseen: figures on rows of other sources; None where there are none.
    """

    encoder: str
    data_sha256: str
    sizes: Mapping[str, int]
    dropped: int
    choices: tuple[Choice, ...]
    head: Head
    test: Evaluation
    unseen: Evaluation | None

    def markdown(self) -> str:
        """The report for people."""
        sizes = ", ".join(f"{name} {count}" for name, count in self.sizes.items())
        chosen = len(self.head.bias) // len(self.head.classes)
        temperature = self.head.temperature
        kept = f"{temperature:.4f}" if temperature != 1 else "1 (another one did not help)"
        table = [
            f"| {c.sub_clusters} | {c.log_loss:.4f} | {c.accuracy:.4f} |" for c in self.choices
        ]
        lines = [
            "# Router: training report",
            "",
            f"Domains: {', '.join(self.head.classes)}. Encoder: {self.encoder}, frozen.",
            f"Rows: {sizes}; {self.dropped} dropped so that the splits share no group, no wording",
            "and no near-duplicate.",
            f"Training rows: sha256 `{self.data_sha256}`.",
            "",
            "## Chosen on validation",
            "",
            f"Sub-clusters per domain: {chosen}. Temperature: {kept}.",
            f"Minimum confidence: {self.head.min_confidence:.2f}.",
            f"Scope threshold: {self.head.scope_threshold:.4f}.",
            "",
            "| sub-clusters | log loss | accuracy |",
            "|---|---|---|",
            *table,
            "",
            "## Test",
            "",
            "Sources that training also saw, other rows.",
            self.test.markdown(),
        ]
        if self.unseen is not None:
            lines += [
                "## Unseen sources",
                "",
                "Training saw nothing of these.",
                self.unseen.markdown(),
            ]
        return "\n".join([*lines, _LEGEND])


_LEGEND = """## Reading the figures

- `accuracy`, `macro_f1`, `ece` and the table of domains: the classifier's first choice.
- `routed`: share of rows that a specialist gets; `misrouted`: share of those that belong elsewhere;
  `missed`: share of the specialists' rows that the generalist gets.
- `scope_*`: familiarity alone, the specialists' rows against the general ones. `fpr95`: general
  rows that pass when 95% of the specialists' do; `declined` and `lost`: general rows, and the
  specialists' own, below the threshold.
"""
