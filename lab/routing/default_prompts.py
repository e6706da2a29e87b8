"""Labelled prompts for the router's default domains, and general prompts.

Rule: rows that train or tune come from sets whose licence lets weights be distributed. The split
`unseen` holds sources that training does not use: they measure the router on other kinds of
traffic.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lab.datasets.draw import draw, sample
from lab.datasets.manifest import read_rows, read_text
from lab.datasets.sources import DATASETS
from lab.datasets.spacing import joined
from lab.routing import unclear
from lab.specialists.niche import Niche, Split
from lab.specialists.niches.math import NICHE as MATH
from lab.specialists.niches.math import folded
from lab.specialists.registry import NICHES

GENERAL = "general"
"""The label of prompts outside all niches; the router uses the same word."""

PromptSplit = Literal["train", "validation", "calibration", "test", "unseen"]

NEAR_MISSES = Path(__file__).parent / "near_misses.jsonl"
NATURAL = Path(__file__).parent / "texts" / "natural.jsonl"

_SIZES: Mapping[Split, int] = {"train": 1400, "validation": 600, "test": 400}
"""Prompts per niche, at most."""

_NATURAL_TRAIN = 0.8
"""Share of the natural prompts that train; the others choose settings."""

_SLURP_TOOLS = frozenset({"play_music", "weather_query"})
_ABOUT_SQL = re.compile(r"\bsql\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LabelledPrompt:
    """A user's message and the domain it belongs to.

    Rows of one `group` stay in one split; `source` is the data set with its licence.
    """

    text: str
    domain: str
    group: str
    split: PromptSplit
    source: str


def rows(data_dir: Path) -> list[LabelledPrompt]:
    """All labelled prompts, the same ones in the same order at every call.

    Args:
        data_dir: the directory with the public data sets; see `lab.datasets.manifest`.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    parts = (_niches, _near_misses, _natural, *_PUBLIC)
    return [*(_calibrating(row) for part in parts for row in part(data_dir)), *unseen(data_dir)]


def unseen(data_dir: Path) -> list[LabelledPrompt]:
    """The rows of the split `unseen` alone, which are quickly read.

    Args:
        data_dir: as for `rows`.

    Raises:
        DatasetError: as for `rows`.
    """
    parts = (_slurp, _spider, _alpaca, _svamp, _ncbi, _bank_messages)
    return [row for part in parts for row in part(data_dir)]


def _calibrating(row: LabelledPrompt) -> LabelledPrompt:
    """Half of the validation rows, by group, are used for guarantees only."""
    if row.split == "validation" and draw(row.group, "calibration") < 0.5:
        return replace(row, split="calibration")
    return row


def _niches(data_dir: Path) -> Iterator[LabelledPrompt]:
    for niche in NICHES.values():
        yield from niche_rows(niche, data_dir)


def niche_rows(niche: Niche, data_dir: Path) -> Iterator[LabelledPrompt]:
    """The prompts of a niche's own rows, as users might write them."""
    source = _source(*niche.datasets)
    for split, count in _SIZES.items():
        examples = {example.prompt: example for example in niche.examples(split, data_dir)}
        for prompt in sample(examples, count):
            group = prompt.lower() if niche.groups_are_kinds else examples[prompt].group
            yield LabelledPrompt(
                niche.restyle(prompt), niche.name, f"{niche.name}/{group}", split, source
            )


def _near_misses(_: Path) -> Iterator[LabelledPrompt]:
    for line in NEAR_MISSES.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        split: PromptSplit = "test" if draw(row["text"], "near miss") < 1 / 3 else "train"
        yield LabelledPrompt(
            row["text"], row["domain"], f"near/{row['text'].lower()}", split, "near_misses (own)"
        )


def _natural(_: Path) -> Iterator[LabelledPrompt]:
    """Prompts in words that no public set has, near misses and pasted blocks, written for this."""
    for line in NATURAL.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        chance = draw(row["text"], "natural")
        split: PromptSplit = "train" if chance < _NATURAL_TRAIN else "validation"
        yield LabelledPrompt(
            row["text"],
            row["domain"],
            f"natural/{row['text'].lower()}",
            split,
            f"{row['kind']} (own)",
        )


def _word_problems(data_dir: Path) -> Iterator[LabelledPrompt]:
    """Problems without a short equation: absent from the niche's own rows, but labelled as the
    niche."""
    found = (r["question"] for r in read_rows("gsm8k", data_dir) if folded(r["answer"]) is None)
    for text in sample(found, 250):
        yield _spread("gsm8k", MATH.restyle(text), text, "math")


def _clinc(data_dir: Path) -> Iterator[LabelledPrompt]:
    counts: dict[str, tuple[PromptSplit, int]] = {
        "train": ("train", 1400),
        "val": ("validation", 600),
        "test": ("test", 400),
    }
    kept = [
        row
        for row in read_rows("clinc150", data_dir)
        if row["intent"] not in unclear.CLINC_INTENTS and row["domain"] not in unclear.CLINC_DOMAINS
    ]
    for name, (split, count) in counts.items():
        part = [row for row in kept if row["split"] == name]
        usual = sample((row["text"] for row in part if row["intent"] != "oos"), count)
        strange = sample((row["text"] for row in part if row["intent"] == "oos"), count // 4)
        for text in [*usual, *strange]:
            yield LabelledPrompt(
                text, GENERAL, f"clinc150/{text.lower()}", split, _source("clinc150")
            )


def _requests(data_dir: Path) -> Iterator[LabelledPrompt]:
    """Instructions as people give them to an assistant."""
    for name in ("self_instruct", "self_instruct_user"):
        for row in read_rows(name, data_dir):
            given = row["instances"][0]["input"].strip()
            if row["id"] not in unclear.REQUESTS:
                yield from _general(name, f"{row['instruction']}\n{given}".strip(), row["id"])
    for row in read_rows("mt_bench", data_dir):
        # The second turn is a follow-up.
        if str(row["question_id"]) not in unclear.REQUESTS:
            yield from _general("mt_bench", row["turns"][0], str(row["question_id"]))
    for text in sample((row["text"] for row in read_rows("mbpp", data_dir)), 250):
        yield from _general("mbpp", text, text)


def _questions(data_dir: Path) -> Iterator[LabelledPrompt]:
    for name, count in (("mmlu", 1000), ("medquad", 250)):
        rows_of = read_rows(name, data_dir)
        found = {r["question"]: r for r in rows_of if r.get("subject") not in unclear.MMLU_SUBJECTS}
        for text in sample(found, count):
            # MedQuAD repeats its questions for each disease or drug: `focus` would leak.
            yield from _general(name, text, found[text].get("focus", text))


def _general(name: str, text: str, group: str) -> Iterator[LabelledPrompt]:
    """A general row of a set without splits; no row if the prompt may belong to `sql`."""
    if not _ABOUT_SQL.search(text):
        yield _spread(name, text, group, GENERAL)


def _spread(name: str, text: str, group: str, domain: str) -> LabelledPrompt:
    """A row of a set without splits: its split is drawn by group."""
    chance = draw(group, "split")
    split: PromptSplit = "train" if chance < 0.7 else "validation" if chance < 0.82 else "test"
    return LabelledPrompt(text, domain, f"{name}/{group}", split, _source(name))


def _bitext(data_dir: Path) -> Iterator[LabelledPrompt]:
    """Messages of a shop's customers; whole intents are held out of training for validation and
    test."""
    intents = {row["utterance"]: row["intent"] for row in read_rows("bitext", data_dir)}
    found = (text for text in intents if not unclear.BITEXT_INTENTS.search(intents[text]))
    for text in sample(found, 250):
        yield from _general("bitext", text, intents[text])


_PUBLIC = (_word_problems, _clinc, _requests, _questions, _bitext)


def _slurp(data_dir: Path) -> Iterator[LabelledPrompt]:
    intents = {row["text"]: row["intent"] for row in read_rows("slurp", data_dir)}
    called = sample((text for text, intent in intents.items() if intent in _SLURP_TOOLS), 200)
    clear = (text for text in intents if not unclear.SLURP_INTENTS.search(intents[text]))
    other = sample(clear, 250)
    for text in [*called, *(text for text in other if intents[text] not in _SLURP_TOOLS)]:
        domain = "tools" if intents[text] in _SLURP_TOOLS else GENERAL
        yield LabelledPrompt(text, domain, f"slurp/{text}", "unseen", _source("slurp"))


def _spider(data_dir: Path) -> Iterator[LabelledPrompt]:
    """Questions over several tables, in a layout of their own."""
    schemas = {
        entry["db_id"]: _schema(entry) for entry in json.loads(read_text("spider_tables", data_dir))
    }
    databases = {row["question"]: row["db_id"] for row in read_rows("spider", data_dir)}
    for question in sample(databases, 200):
        text = f"{schemas[databases[question]]}\n\n{question}"
        yield LabelledPrompt(text, "sql", f"spider/{question}", "unseen", _source("spider"))


def _schema(entry: dict[str, Any]) -> str:
    tables: list[list[str]] = [[] for _ in entry["table_names_original"]]
    for table, column in entry["column_names_original"]:
        if table >= 0:
            tables[table].append(column)
    named = zip(entry["table_names_original"], tables, strict=True)
    return "\n".join(f"{name} : {' , '.join(columns)}" for name, columns in named)


def _alpaca(data_dir: Path) -> Iterator[LabelledPrompt]:
    parts = ("helpful_base", "oasst", "koala")  # its other parts are sets used in training
    found = (row for row in read_rows("alpaca_eval", data_dir) if row["dataset"] in parts)
    for text in sample((row["instruction"] for row in found), 250):
        if not _ABOUT_SQL.search(text) and not text.startswith(unclear.ALPACA_OPENINGS):
            yield LabelledPrompt(text, GENERAL, f"alpaca/{text}", "unseen", _source("alpaca_eval"))


def _svamp(data_dir: Path) -> Iterator[LabelledPrompt]:
    problems = MATH.other_tests["svamp"](data_dir)
    for text in sample((problem.prompt for problem in problems), 200):
        yield LabelledPrompt(text, "math", f"svamp/{text}", "unseen", _source("svamp"))


def _ncbi(data_dir: Path) -> Iterator[LabelledPrompt]:
    # Sentences that name no disease are mostly pieces: the set was split at every full stop.
    found = (r["text"] for r in read_rows("ncbi_disease", data_dir) if r["entities"])
    source = _source("ncbi_disease")
    for text in sample(map(joined, found), 200):
        yield LabelledPrompt(text, "biomed", f"ncbi_disease/{text}", "unseen", source)


def _bank_messages(data_dir: Path) -> Iterator[LabelledPrompt]:
    """Bank intents of CLINC150: training has its other intents as general, but none of these."""
    rows_of = read_rows("clinc150", data_dir)
    found = (row["text"] for row in rows_of if row["intent"] in unclear.BANK_INTENTS)
    source = f"clinc150's bank intents ({DATASETS['clinc150'].licence})"
    for text in sample(found, 200):
        yield LabelledPrompt(text, "support", f"clinc150_bank/{text}", "unseen", source)


def _source(*names: str) -> str:
    return ", ".join(f"{name} ({DATASETS[name].licence})" for name in names)
