"""Labelled prompts for the router's default domains: what each niche is asked, and what it is not.

Rule: rows that train or tune come from sets whose licence lets weights be distributed. The split
`unseen` holds sources of which training saw nothing: they show how the router does on traffic of
another kind.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from deployments.datasets.draw import draw, sample
from deployments.datasets.layouts import vary
from deployments.datasets.manifest import DATASETS, read_rows, read_text
from deployments.niches.niche import Split
from deployments.niches.registry import NICHES

__all__ = ["GENERAL", "LabelledPrompt", "PromptSplit", "rows"]

GENERAL = "general"
"""What is no niche's; the same word as the router's."""

PromptSplit = Literal["train", "validation", "calibration", "test", "unseen"]

NEAR_MISSES = Path(__file__).parent / "near_misses.jsonl"

_SIZES: Mapping[Split, int] = {"train": 1400, "validation": 600, "test": 400}
"""Prompts per niche."""

_TOOL_LIKE_INTENTS = frozenset(
    {
        # CLINC150 intents that the functions of `tools` cover, wholly or in part.
        *("weather", "play_music", "update_playlist", "next_song", "what_song"),
        *("restaurant_reservation", "accept_reservations", "cancel_reservation"),
        *("confirm_reservation", "restaurant_suggestion", "restaurant_reviews"),
    }
)
# CLINC150 intents of words that lean on what was said before: alone they belong nowhere.
_LEANING_INTENTS = frozenset({"yes", "no", "maybe", "repeat", "cancel"})
_SLURP_TOOLS = frozenset({"play_music", "weather_query"})
# Near the functions of `tools`, but neither label would be right.
_SLURP_UNCLEAR = re.compile(
    r"music|play_|radio|podcasts|game|recommendation|takeaway|locations|movies"
)
_ABOUT_SQL = re.compile(r"\bsql\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LabelledPrompt:
    """A user's message and the domain it belongs to.

    `group` names what must not be split between training and test; `source` is the data set with
    its licence.
    """

    text: str
    domain: str
    group: str
    split: PromptSplit
    source: str


def rows(data_dir: Path) -> list[LabelledPrompt]:
    """All labelled prompts, the same ones in the same order at every call.

    Args:
        data_dir: the directory with the public data sets; see `deployments.datasets.manifest`.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    parts = (
        _niches,
        _near_misses,
        _clinc,
        _requests,
        _questions,
        _bitext,
        _slurp,
        _spider,
        _alpaca,
    )
    return [_calibrating(row) for part in parts for row in part(data_dir)]


def _calibrating(row: LabelledPrompt) -> LabelledPrompt:
    """Half of the validation rows, by group, are for guarantees alone."""
    if row.split == "validation" and draw(row.group, "calibration") < 0.5:
        return replace(row, split="calibration")
    return row


def _niches(data_dir: Path) -> Iterator[LabelledPrompt]:
    for niche in NICHES.values():
        source = _source(*niche.datasets)
        restyle = _RESTYLES.get(niche.name, _as_typed)
        for split, count in _SIZES.items():
            examples = {example.prompt: example for example in niche.examples(split, data_dir)}
            for prompt in sample(examples, count):
                # A niche without tables groups by text: its own groups are intents, in all splits.
                group = examples[prompt].group if niche.name in _RESTYLES else prompt.lower()
                yield LabelledPrompt(
                    restyle(prompt), niche.name, f"{niche.name}/{group}", split, source
                )


def _as_typed(prompt: str) -> str:
    return prompt.lower().rstrip(".?!") if draw(prompt, "case") < 0.4 else prompt


_RESTYLES: Mapping[str, Callable[[str], str]] = {"sql": vary}


def _near_misses(_: Path) -> Iterator[LabelledPrompt]:
    for line in NEAR_MISSES.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        split: PromptSplit = "test" if draw(row["text"], "near miss") < 1 / 3 else "train"
        yield LabelledPrompt(
            row["text"], row["domain"], f"near/{row['text'].lower()}", split, "near_misses (own)"
        )


def _clinc(data_dir: Path) -> Iterator[LabelledPrompt]:
    counts: dict[str, tuple[PromptSplit, int]] = {
        "train": ("train", 1100),
        "val": ("validation", 500),
        "test": ("test", 400),
    }
    left_out = _TOOL_LIKE_INTENTS | _LEANING_INTENTS
    kept = [row for row in read_rows("clinc150", data_dir) if row["intent"] not in left_out]
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
            yield from _general(name, f"{row['instruction']}\n{given}".strip(), row["id"])
    for row in read_rows("mt_bench", data_dir):
        # The second turn leans on the first.
        yield from _general("mt_bench", row["turns"][0], str(row["question_id"]))
    for text in sample((row["text"] for row in read_rows("mbpp", data_dir)), 250):
        yield from _general("mbpp", text, text)


def _questions(data_dir: Path) -> Iterator[LabelledPrompt]:
    for name, count in (("mmlu", 400), ("gsm8k", 250), ("medquad", 250)):
        found = {row["question"]: row for row in read_rows(name, data_dir)}
        for text in sample(found, count):
            # MedQuAD asks the same about each disease or drug: `focus` is what would leak.
            yield from _general(name, text, found[text].get("focus", text))


def _general(name: str, text: str, group: str) -> Iterator[LabelledPrompt]:
    """A row of a set without splits: the group draws one. No row if it may be for `sql`."""
    if _ABOUT_SQL.search(text):
        return
    chance = draw(group, "split")
    split: PromptSplit = "train" if chance < 0.7 else "validation" if chance < 0.82 else "test"
    yield LabelledPrompt(text, GENERAL, f"{name}/{group}", split, _source(name))


def _bitext(data_dir: Path) -> Iterator[LabelledPrompt]:
    """For validation alone: what the router is tuned to decline without having trained on it."""
    for text in sample((row["utterance"] for row in read_rows("bitext", data_dir)), 250):
        yield LabelledPrompt(text, GENERAL, f"bitext/{text}", "validation", _source("bitext"))


def _slurp(data_dir: Path) -> Iterator[LabelledPrompt]:
    intents = {row["text"]: row["intent"] for row in read_rows("slurp", data_dir)}
    called = sample((text for text, intent in intents.items() if intent in _SLURP_TOOLS), 200)
    other = sample((t for t, intent in intents.items() if not _SLURP_UNCLEAR.search(intent)), 250)
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
    parts = ("helpful_base", "oasst", "koala")  # its other parts are sets that training reads
    found = (row for row in read_rows("alpaca_eval", data_dir) if row["dataset"] in parts)
    for text in sample((row["instruction"] for row in found), 250):
        if not _ABOUT_SQL.search(text):
            yield LabelledPrompt(text, GENERAL, f"alpaca/{text}", "unseen", _source("alpaca_eval"))


def _source(*names: str) -> str:
    return ", ".join(f"{name} ({DATASETS[name].licence})" for name in names)
