"""Which layers go first: those that do the least."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import AutoTokenizer

from deployments.models.adapters import Adapter, load_adapter
from deployments.models.load import load_model
from deployments.models.prune import keep_layers
from lab.specialists.recipes.batches import IGNORED, batches, encode
from lab.specialists.recipes.config import TrainConfig
from lab.specialists.recipes.drop_order import drop_order
from lab.specialists.recipes.run import answer_logits
from lab.specialists.recipes.workplace import Workplace
from tests.deployments.adapters import save_adapter
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import make_niche, toy_examples

CONFIG = TrainConfig(threads=1)
LAYERS = 5
ROWS = toy_examples(16)
"""No more than are asked for: all are taken."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"), layers=LAYERS)


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    return load_adapter(str(save_adapter(tmp_path_factory.mktemp("whole"), base, seed=1)))


def order(base: Path, whole: Adapter, work: Path, count: int, seed: int = 0) -> tuple[int, ...]:
    place = Workplace("tiny", base, Path("unused"), work)
    return drop_order(make_niche(ROWS), place, whole, replace(CONFIG, seed=seed), count)


def loss(base: Path, whole: Adapter, kept: list[int]) -> float:
    """Of a model that was pruned to these layers, on all training rows."""
    model = keep_layers(load_model(base, whole, torch.bfloat16), kept)
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = encode(ROWS, tokenizer, "say it.", 512)
    batch = next(batches(rows, len(ROWS), 0, random.Random(0)))
    with torch.no_grad():
        logits = answer_logits(model, batch)
    return float(functional.cross_entropy(logits, batch.targets, ignore_index=IGNORED))


def test_the_cheapest_goes_first(base: Path, whole: Adapter, tmp_path: Path) -> None:
    """Each time the layer whose absence, beside those that are gone, leaves the lowest loss."""
    found = order(base, whole, tmp_path, 3)

    left = list(range(LAYERS))
    for layer in found:
        costs = {one: loss(base, whole, [o for o in left if o != one]) for one in left}
        assert costs[layer] == pytest.approx(min(costs.values()), rel=0.01)  # bfloat16, other order
        assert max(costs.values()) > 1.05 * costs[layer]
        left.remove(layer)


def test_more_layers_are_the_same_ones_and_others(
    base: Path, whole: Adapter, tmp_path: Path
) -> None:
    """What goes at a lesser depth is gone at a greater one, found at once or later."""
    few = order(base, whole, tmp_path / "a", 2)

    assert order(base, whole, tmp_path / "a", 4)[:2] == few
    assert order(base, whole, tmp_path / "b", 4)[:2] == few


def test_what_was_found_is_not_found_again(base: Path, whole: Adapter, tmp_path: Path) -> None:
    """A run that was cut goes on with what is on disk."""
    order(base, whole, tmp_path, 1)
    kept = json.loads((tmp_path / "order.json").read_text())
    other = kept["order"][0] - 1
    (tmp_path / "order.json").write_text(json.dumps(kept | {"order": [other]}))

    assert order(base, whole, tmp_path, 2)[0] == other


def test_another_specialists_order_is_not_taken(base: Path, whole: Adapter, tmp_path: Path) -> None:
    """Other weights or other rows are asked anew."""
    found = order(base, whole, tmp_path, 1)
    kept = json.loads((tmp_path / "order.json").read_text())
    wrong = {"identity": ["0" * 64, *kept["identity"][1:]], "order": [0]}
    (tmp_path / "order.json").write_text(json.dumps(wrong))

    assert order(base, whole, tmp_path, 1) == found


def test_nothing_to_drop_needs_no_model(whole: Adapter, tmp_path: Path) -> None:
    """All layers are kept without asking."""
    assert order(tmp_path / "no model here", whole, tmp_path, 0) == ()
