"""The embedding router of the package semantic-router 1.1.1 on the robustness prompts.

The package is no dependency of this project, so the script runs in an environment of its own, from
the root of a checkout:

    python -m venv rival
    rival/bin/pip install torch==2.13.0 transformers==5.23.0 semantic-router==1.1.1 scipy==1.17.1
    PYTHONPATH=. rival/bin/python docs/results/robustness/rivals/embedding_router.py \
        --data-dir DIR --encoder ~/.cache/niche/models/all-minilm-l6-v2 --out OUT

Each router has a route per niche, with utterances drawn from the rows that train the default
router. The package's `fit` calibrates it on validation rows. Whatever else can be set is chosen by
accuracy on other held-out rows: whether the system prompt is read, whether `general` is a route of
its own, the aggregation, `top_k`, a second score by TF-IDF, the threshold, and a threshold per
route. These rows come in the forms that train the default router, half of them plain.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import PrivateAttr
from semantic_router import IndexedRouter, Route
from semantic_router.encoders import HuggingFaceEncoder, TfidfEncoder

from lab.benchmarks.robustness import read_prompts, robustness
from lab.machine import commit, machine
from lab.routing import default_prompts, forms
from lab.routing.rows import query_of
from router.types import GENERAL, Query

_VALIDATION = 600
"""Rows to calibrate on, and rows to choose by."""
_TOP_K = (1, 5, 20)
_AGGREGATIONS = ("mean", "max", "sum")
_ALPHAS = (0.7, 0.4)
_GRID = np.round(np.arange(0.02, 1.0, 0.02), 2).tolist()


class KeptEncoder(HuggingFaceEncoder):
    """The package's encoder, which encodes each text once and keeps the vectors in a file."""

    _kept: dict[str, list[float]] = PrivateAttr(default_factory=dict)

    def __call__(self, docs: list[str], **options: Any) -> list[list[float]]:
        """The vectors of the texts, in order."""
        new = sorted(dict.fromkeys(doc for doc in docs if doc not in self._kept), key=len)
        for start in range(0, len(new), 512):
            part = new[start : start + 512]
            self._kept.update(zip(part, super().__call__(part, **options), strict=True))
            if len(new) > 512:
                print(f"encoded {start + len(part):,} of {len(new):,}", file=sys.stderr)
        return [self._kept[doc] for doc in docs]

    def keep(self, file: Path) -> None:
        """Writes the vectors."""
        vectors = np.array(list(self._kept.values()), np.float32)
        np.savez(file, texts=json.dumps(list(self._kept)), vectors=vectors)

    def recall(self, file: Path) -> None:
        """Reads the vectors of an earlier run, if there was one."""
        if file.exists():
            found = np.load(file)
            texts = json.loads(str(found["texts"]))
            self._kept.update(zip(texts, found["vectors"].tolist(), strict=True))


@dataclass(frozen=True)
class Labelled:
    """A request and its domain."""

    query: Query
    domain: str


@dataclass(frozen=True)
class Settings:
    """What can be set of a router, except for its thresholds."""

    reads_system: bool
    general_route: bool
    aggregation: str = "mean"
    top_k: int = 5
    alpha: float | None = None
    """The weight of the embedding beside TF-IDF; None: the embedding alone."""


@dataclass(frozen=True)
class Chosen:
    """Settings with the thresholds that suit them, and their accuracy."""

    settings: Settings
    bars: Mapping[str, float]
    accuracy: float


def text_of(query: Query, reads_system: bool) -> str:
    """What the router reads of a request."""
    if query.text is not None:
        return query.text
    turns = [turn for turn in query.messages if reads_system or turn.role == "user"]
    return "\n".join(turn.content for turn in turns)


def training_pool(rows: Iterable[Any], in_forms: bool) -> list[Labelled]:
    """The rows that may become utterances."""
    train = [row for row in rows if row.split == "train"]
    made = [Labelled(query_of(row), row.domain) for row in train]
    if in_forms:
        wordings = forms.wordings(held_out=False)
        formed = (forms.in_some_forms(row, wordings) for row in train)
        made += [Labelled(row.query, row.domain) for row in itertools.chain(*formed)]
    return made


def held_out(rows: Iterable[Any], split: str) -> list[Labelled]:
    """Rows to calibrate on or to choose by: each in one form, half of them plain."""
    found = [row for row in rows if row.split == split]
    rng = np.random.default_rng(list(split.encode()))
    wordings = forms.wordings(held_out=False)
    drawn = [found[at] for at in rng.permutation(len(found))[:_VALIDATION].tolist()]
    formed = [forms.in_mix(row, wordings) for row in drawn]
    return [Labelled(row.query, row.domain) for row in formed]


def routes(pool: Sequence[Labelled], count: int, settings: Settings) -> list[Route]:
    """A route per domain with `count` utterances, the same ones for all settings."""
    made = []
    for domain in sorted({row.domain for row in pool}):
        if domain == GENERAL and not settings.general_route:
            continue
        own = [row for row in pool if row.domain == domain]
        rng = np.random.default_rng(list(domain.encode()))
        drawn = [own[at] for at in rng.permutation(len(own))[:count].tolist()]
        texts = dict.fromkeys(text_of(row.query, settings.reads_system) for row in drawn)
        made.append(Route(name=domain, utterances=list(texts)))
    return made


def router_of(
    encoder: KeptEncoder, own: list[Route], settings: Settings, fit_on: Sequence[Labelled]
) -> IndexedRouter:
    """A router, calibrated by the package's own `fit`."""
    router = IndexedRouter(
        encoder=encoder,
        routes=own,
        sparse_encoder=None if settings.alpha is None else TfidfEncoder(),
        alpha=1.0 if settings.alpha is None else settings.alpha,
        top_k=settings.top_k,
        aggregation=settings.aggregation,  # type: ignore[arg-type]  # a literal of the package
    )
    names = {route.name for route in own}
    labels = [row.domain if row.domain in names else None for row in fit_on]
    router.fit([text_of(row.query, settings.reads_system) for row in fit_on], labels)
    return router


def ranked(router: IndexedRouter, texts: Iterable[str]) -> list[list[tuple[str, float]]]:
    """All routes of each text with their confidence, best first."""
    return [
        [(choice.name, choice.confidence) for choice in router(text, limit=None, threshold=0.0)]
        for text in texts
    ]


def picked(ranking: Sequence[tuple[str, float]], bars: Mapping[str, float]) -> str:
    """The first route above its threshold, as the package picks it; `general` without one."""
    return next((name for name, found in ranking if found >= bars[name]), GENERAL)


def thresholds(
    rankings: Sequence[Sequence[tuple[str, float]]], truth: Sequence[str]
) -> tuple[dict[str, float], float]:
    """The best threshold for all routes, then the best one of each route in turn."""

    def accuracy(bars: Mapping[str, float]) -> float:
        went = [picked(ranking, bars) for ranking in rankings]
        return float(np.mean([got == right for got, right in zip(went, truth, strict=True)]))

    names = [name for name, _ in rankings[0]]
    best = max((dict.fromkeys(names, bar) for bar in _GRID), key=accuracy)
    for name in names * 2:
        best = max((best, *({**best, name: bar} for bar in _GRID)), key=accuracy)
    return best, accuracy(best)


@dataclass(frozen=True)
class Workshop:
    """What routers are made of."""

    encoder: KeptEncoder
    pool: Sequence[Labelled]
    count: int
    fit_on: Sequence[Labelled]
    choose_by: Sequence[Labelled]

    def make(self, settings: Settings) -> IndexedRouter:
        """A router with these settings."""
        own = routes(self.pool, self.count, settings)
        return router_of(self.encoder, own, settings, self.fit_on)

    def tried(self, settings: Settings) -> Chosen:
        """The settings with their best thresholds."""
        texts = [text_of(row.query, settings.reads_system) for row in self.choose_by]
        rankings = ranked(self.make(settings), texts)
        bars, accuracy = thresholds(rankings, [row.domain for row in self.choose_by])
        return Chosen(settings, bars, accuracy)

    def best(self) -> Chosen:
        """The best settings: by the embedding alone first, then with TF-IDF beside it."""
        alone = [
            self.tried(Settings(reads, general, aggregation, top_k))
            for reads, general in itertools.product((False, True), repeat=2)
            for aggregation in _AGGREGATIONS
            for top_k in _TOP_K
            if top_k > 1 or aggregation == _AGGREGATIONS[0]
        ]
        best = max(alone, key=lambda chosen: chosen.accuracy)
        both = [self.tried(replace(best.settings, alpha=alpha)) for alpha in _ALPHAS]
        return max((best, *both), key=lambda chosen: chosen.accuracy)


def measured(workshop: Workshop, name: str, out: Path) -> None:
    """Chooses, measures, prints and writes one router."""
    best = workshop.best()
    router = workshop.make(best.settings)
    prompts = read_prompts()
    texts = [text_of(prompt.query, best.settings.reads_system) for prompt in prompts]
    workshop.encoder(texts)  # all at once: texts of like length share a pass
    went = np.array([picked(ranking, best.bars) for ranking in ranked(router, texts)])
    notes = (f"{best.settings}", f"thresholds {best.bars}", f"accuracy by them {best.accuracy:.4f}")
    result = replace(robustness(lambda _: went, prompts), name=name)
    result = replace(result, notes=(*result.notes, *notes))
    print(f"\n{result.text()}", flush=True)
    (out / f"{name}.md").write_text(result.markdown(), encoding="utf-8")
    (out / f"{name}.json").write_text(json.dumps(result.fields(), indent=1), encoding="utf-8")


def main() -> None:
    """Measures three routers."""
    parser = argparse.ArgumentParser(description="semantic-router on the robustness prompts.")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--encoder", required=True, help="directory of a Hugging Face model")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(f"Commit {commit()}; {machine()}.")
    encoder = KeptEncoder(name=arguments.encoder, device="cpu")
    vectors = arguments.out / "vectors.npz"
    encoder.recall(vectors)
    rows = default_prompts.rows(arguments.data_dir)
    held = (held_out(rows, "validation"), held_out(rows, "calibration"))
    for name, count, in_forms in (
        ("50 utterances", 50, False),
        ("500 utterances", 500, False),
        ("500 utterances in forms", 500, True),
    ):
        workshop = Workshop(encoder, training_pool(rows, in_forms), count, *held)
        measured(workshop, name, arguments.out)
        encoder.keep(vectors)


if __name__ == "__main__":
    main()
