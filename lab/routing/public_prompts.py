"""Public labelled sets by name, for evaluation in addition to the project's own rows.

Two kinds. The benchmarks bring domains of their own: `clinc150`, `banking77`, `mmlu14` and
`routellm_mmlu`. The others carry the labels of the default domains and come from sources that the
default router never trained on: traffic of another kind, most of it out of scope.

Rule: `split` gives a row's use. It is None in sets without splits; all rows of the second kind are
`unseen`.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.datasets.draw import sample
from lab.datasets.manifest import DatasetError, read_rows, read_text
from lab.datasets.sources import DATASETS
from lab.datasets.subjects import SUBJECTS
from lab.routing import default_prompts
from lab.routing.default_prompts import GENERAL

_MOST = 2000
"""The largest number of rows taken from a set."""

_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_ABOUT_SQL = re.compile(r"\b(sql|query|queries)\b", re.IGNORECASE)
_NOT_A_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class PublicRow:
    """A labelled text.

    Attributes:
        text: the prompt.
        domain: its label; `general` if it belongs to none of the set's domains.
        group: rows of one group stay in one split.
        split: `train`, `validation`, `test` or `unseen`; None if the set has no splits.
        source: the data set with its licence.
        fine: a finer label, if the set has one: the subject within its group, the intent within its
            domain.
        excess_loss: the strong model's score minus the weak one's, in [-1, 1]; None without
            recorded answers.
    """

    text: str
    domain: str
    group: str
    split: str | None
    source: str
    fine: str = ""
    excess_loss: float | None = None


def read(name: str, data_dir: Path) -> list[PublicRow]:
    """The rows of a set, the same ones in the same order at every call.

    Args:
        name: one of `NAMES`.
        data_dir: the directory with the public data sets; see `lab.datasets.manifest`.

    Raises:
        DatasetError: the name is unknown, or a file is absent or altered.
    """
    if name not in _READERS:
        raise DatasetError(f"unknown set {name!r}; known: {', '.join(NAMES)}")
    return list(_READERS[name](data_dir))


def _clinc(data_dir: Path) -> Iterator[PublicRow]:
    for row in read_rows("clinc150", data_dir):
        domain = GENERAL if row["domain"] == "oos" else row["domain"]
        yield _row("clinc150", row["text"], domain, _SPLITS[row["split"]], row["intent"])


def _banking(data_dir: Path) -> Iterator[PublicRow]:
    for split, name in (("train", "banking77_train"), ("test", "banking77_test")):
        for row in csv.DictReader(io.StringIO(read_text(name, data_dir), newline="")):
            yield _row(name, row["text"], row["category"], split)


def _mmlu(data_dir: Path) -> Iterator[PublicRow]:
    for row in read_rows("mmlu", data_dir):
        yield _row("mmlu", row["question"], SUBJECTS[row["subject"]], None, row["subject"])


def _outcomes(data_dir: Path) -> Iterator[PublicRow]:
    name = "routellm_mmlu"
    for row in read_rows(name, data_dir):
        question = row["prompt"].partition("\nA. ")[0]
        yield PublicRow(
            text=row["prompt"],
            domain=row["subject"],
            group=_group(name, question),
            split=None,
            source=_source(name),
            excess_loss=float(row["gpt4_1106"]) - float(row["mixtral_8x7b"]),
        )


def _medquad(data_dir: Path) -> Iterator[PublicRow]:
    """Questions about diseases that do not occur in training."""
    known = {
        row.group for row in default_prompts.rows(data_dir) if row.group.startswith("medquad/")
    }
    focus = {row["question"]: row["focus"] for row in read_rows("medquad", data_dir)}
    fresh = (text for text in focus if f"medquad/{focus[text]}" not in known)
    return _unseen("medquad", fresh)


def _fiqa(data_dir: Path) -> Iterator[PublicRow]:
    return _unseen("fiqa_questions", (r["question"] for r in read_rows("fiqa_questions", data_dir)))


def _stackoverflow(data_dir: Path) -> Iterator[PublicRow]:
    """Titles about programming, without those about queries, some of which ask for SQL."""
    found = (row["title"] for row in read_rows("stackoverflow_titles", data_dir))
    return _unseen("stackoverflow_titles", (t for t in found if not _ABOUT_SQL.search(t)))


def _autoj(data_dir: Path) -> Iterator[PublicRow]:
    found = (
        f"{row['instruction']}\n{row['input']}".strip()
        for name in ("autoj_train", "autoj_test")
        for row in read_rows(name, data_dir)
    )
    return _unseen("autoj_test", (text for text in found if not _ABOUT_SQL.search(text)))


def _law(data_dir: Path) -> Iterator[PublicRow]:
    names = ("indian_law_constitution", "indian_law_crpc", "indian_law_ipc")
    found = (row["question"] for name in names for row in read_rows(name, data_dir))
    return _unseen("indian_law_ipc", found)


def _geography(data_dir: Path) -> Iterator[PublicRow]:
    """Questions over several tables, whose names and columns come first."""
    tables: dict[str, list[str]] = {}
    schema = read_text("geography_schema", data_dir).splitlines()[1:]
    for fields in csv.reader(schema, skipinitialspace=True):
        if fields and fields[0] != "-":
            tables.setdefault(fields[0].lower(), []).append(fields[1].lower())
    layout = "\n".join(f"{name}({', '.join(columns)})" for name, columns in tables.items())
    questions = (row["question"] for row in read_rows("geography", data_dir))
    return _unseen("geography", (f"{layout}\n\n{question}" for question in questions), "sql")


def _of_the_default(name: str) -> Callable[[Path], Iterator[PublicRow]]:
    """The rows of a set as in the default router's own report."""

    def rows(data_dir: Path) -> Iterator[PublicRow]:
        for row in default_prompts.unseen(data_dir):
            if row.group.startswith(f"{name}/"):
                yield PublicRow(row.text, row.domain, row.group, row.split, row.source)

    return rows


def _unseen(name: str, texts: Iterable[str], domain: str = GENERAL) -> Iterator[PublicRow]:
    for text in sample(texts, _MOST):
        yield _row(name, text, domain, "unseen")


def _row(name: str, text: str, domain: str, split: str | None, fine: str = "") -> PublicRow:
    return PublicRow(text, domain, _group(name, text), split, _source(name), fine)


def _group(name: str, text: str) -> str:
    """Texts with the same words form one group."""
    return f"{name}/{_NOT_A_WORD.sub(' ', text.casefold()).strip()}"


def _source(name: str) -> str:
    return f"{name} ({DATASETS[name].licence})"


_READERS: Mapping[str, Callable[[Path], Iterator[PublicRow]]] = {
    "clinc150": _clinc,
    "banking77": _banking,
    "mmlu14": _mmlu,
    "routellm_mmlu": _outcomes,
    "medquad": _medquad,
    "fiqa_questions": _fiqa,
    "stackoverflow_titles": _stackoverflow,
    "autoj_scenarios": _autoj,
    "indian_law_qa": _law,
    "geography": _geography,
    "slurp": _of_the_default("slurp"),
    "spider": _of_the_default("spider"),
    "alpaca_eval": _of_the_default("alpaca"),
    "svamp": _of_the_default("svamp"),
    "ncbi_disease": _of_the_default("ncbi_disease"),
    "clinc150_bank": _of_the_default("clinc150_bank"),
}

NAMES = tuple(_READERS)
"""The sets."""
