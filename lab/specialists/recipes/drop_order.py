"""Which layers a specialist can best do without, found by leaving them out.

One layer after the other goes, each time the one whose absence costs the least on some training
rows. It matters which: without six of SmolLM2-135M's 30 layers the loss of `tools` is 0.3 nats per
answer token so, 0.9 where the six in the middle go, and 10 where those before the last two go.
"""

import json
import random

import torch
from torch.nn import ModuleList, functional
from tqdm import tqdm
from transformers import AutoTokenizer

from deployments.models.adapters import Adapter
from deployments.models.load import load_model
from lab.specialists.niches.niche import Niche
from lab.specialists.recipes.batches import IGNORED, Batch, batches, drawn, encode
from lab.specialists.recipes.config import TrainConfig
from lab.specialists.recipes.run import answer_logits
from lab.specialists.recipes.workplace import Workplace

_ROWS = 16


def drop_order(
    niche: Niche, place: Workplace, whole: Adapter, config: TrainConfig, count: int
) -> tuple[int, ...]:
    """The `count` layers that go first, in their order, counted among those the specialist has.

    Each is kept in the work directory as it is found, so that a run that was cut goes on.

    Args:
        niche: its training rows tell the cost.
        place: base model, data, and where to work.
        whole: the specialist.
        config: its seed draws the rows, its limit of length holds for them.
        count: fewer than there are layers.

    Raises:
        RecipeError: an example does not fit.
        DatasetError: a data set is absent or altered.
    """
    path = place.work_dir / "order.json"
    identity = [whole.sha256, config.seed, _ROWS]
    order: list[int] = []
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        order = found["order"] if found["identity"] == identity else []
    if len(order) < count:
        place.work_dir.mkdir(parents=True, exist_ok=True)
        trial = _Trial(niche, place, whole, config)
        with tqdm(total=count, initial=len(order), unit="layer", desc="leaving out") as bar:
            while len(order) < count:
                order.append(trial.cheapest_without(order))
                text = json.dumps({"identity": identity, "order": order})
                path.write_text(f"{text}\n", encoding="utf-8")
                bar.update()
    return tuple(order[:count])


class _Trial:
    """A specialist that can be asked with some of its layers."""

    def __init__(self, niche: Niche, place: Workplace, whole: Adapter, config: TrainConfig) -> None:
        if config.threads:
            torch.set_num_threads(config.threads)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = load_model(place.base_dir, whole, torch.bfloat16).to(device)
        self._layers = tuple(self._model.model.layers)
        self._batch = _batch(niche, place, config)

    def cheapest_without(self, gone: list[int]) -> int:
        """The layer that costs the least beside those that are gone."""
        left = [layer for layer in range(len(self._layers)) if layer not in gone]
        costs = {layer: self._loss([one for one in left if one != layer]) for layer in left}
        return min(costs, key=costs.__getitem__)

    @torch.inference_mode()
    def _loss(self, kept: list[int]) -> float:
        # Without a cache layers need no numbers: swapping the list is enough.
        self._model.model.layers = ModuleList([self._layers[layer] for layer in kept])
        logits = answer_logits(self._model, self._batch)
        targets = self._batch.targets.to(logits.device)
        return float(functional.cross_entropy(logits, targets, ignore_index=IGNORED))


def _batch(niche: Niche, place: Workplace, config: TrainConfig) -> Batch:
    rng = random.Random(config.seed)
    rows = drawn(niche, "train", place.data_dir, _ROWS, rng)
    tokenizer = AutoTokenizer.from_pretrained(place.base_dir)
    encoded = encode(rows, tokenizer, niche.system_prompt, config.max_length_tokens)
    return next(batches(encoded, _ROWS, int(tokenizer.eos_token_id), rng))
