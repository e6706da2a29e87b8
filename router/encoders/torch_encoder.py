"""The encoder in torch: for batched deployments on a GPU, and to check the quantised one.

The only file here that imports torch and transformers. Float32 on a CPU, float16 on a GPU. The
texts of a batch are padded to the longest; the mask excludes padding from every mean.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch.nn.functional import normalize
from transformers import AutoModel

from router.classifier import Encoded
from router.encoders.adapter import Adapter
from router.encoders.encoding import LAYERS, WEIGHTS, Cut, Tokens, checksum, layers_of
from router.errors import EncoderError

_TOKENS_PER_PASS = {"cpu": 2048, "cuda": 65536}


class TorchEncoder:
    """A sentence encoder in a local directory, on a torch device.

    Args:
        path: the directory with `model.safetensors`, `config.json` and `tokenizer.json`.
        device: as torch names it: `cpu`, `cuda`, `cuda:1`.
        max_tokens: longer texts are cut, as `encoding` says, and reported as truncated.
        adapter: the artifact's, if its encoder was fine-tuned.

    Attributes:
        name: the directory's name.
        sha256: checksum of the weights and the adapter; an artifact is bound to it.

    Raises:
        EncoderError: the directory is absent or holds no such model, or the device does not
            exist.
    """

    def __init__(
        self,
        path: Path,
        device: str = "cpu",
        max_tokens: int = 256,
        adapter: Adapter | None = None,
    ) -> None:
        self._plain: Callable[[], TorchEncoder] = lambda: TorchEncoder(path, device, max_tokens)
        self._tuned = adapter is not None
        self._tokens = Tokens(path, max_tokens)
        self.name = path.name
        self.sha256 = checksum(path / WEIGHTS)
        try:
            self._device = torch.device(device)
            dtype = torch.float32 if self._device.type == "cpu" else torch.float16
            model = AutoModel.from_pretrained(
                path, local_files_only=True, dtype=dtype, use_safetensors=True
            )
            if adapter is not None:
                self.sha256 = adapter.identity(self.sha256)
                _merge(model, adapter)
            self._model = model.eval().to(self._device)
        except (OSError, ValueError, RuntimeError, AssertionError, SafetensorError) as error:
            raise EncoderError(
                f"{path} cannot be loaded as an encoder on {device!r}: {error}; "
                "name a model directory, and a device that torch has"
            ) from error

    @cached_property
    def base(self) -> "TorchEncoder":
        """The encoder without the adapter."""
        return self._plain() if self._tuned else self

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Vectors of the texts, float32 (n, 3 x hidden) of length 1, and which texts were cut."""
        cuts = [self._tokens.of(text) for text in texts]
        # Texts of similar length share a batch, which needs little padding.
        order = sorted(range(len(cuts)), key=lambda row: len(cuts[row].ids))
        vectors = np.empty((len(cuts), LAYERS * self._model.config.hidden_size), np.float32)
        for rows in self._batches(order, cuts):
            vectors[rows] = self._run([cuts[row].ids for row in rows])
        return Encoded(vectors, np.array([cut.truncated for cut in cuts], np.bool_))

    def _batches(self, order: Sequence[int], cuts: Sequence[Cut]) -> list[list[int]]:
        budget = _TOKENS_PER_PASS["cpu" if self._device.type == "cpu" else "cuda"]
        batches: list[list[int]] = [[]]
        for row in order:
            if batches[-1] and (len(batches[-1]) + 1) * len(cuts[row].ids) > budget:
                batches.append([])
            batches[-1].append(row)
        return [batch for batch in batches if batch]

    @torch.inference_mode()
    def _run(self, batch: Sequence[Sequence[int]]) -> np.ndarray:
        found: np.ndarray = pooled(self._model, batch, self._device).cpu().numpy()
        return found


def pooled(model: Any, batch: Sequence[Sequence[int]], device: torch.device) -> torch.Tensor:
    """The vectors of n tokenised texts, float32 (n, 3 x hidden) of length 1, with gradients if the
    model has any: what serves and what is trained are the same.

    Args:
        model: a BERT model of transformers.
        batch: token ids of each text; padded here.
        device: where the model is.
    """
    ids = torch.zeros(len(batch), max(map(len, batch)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
    ids, mask = ids.to(device), mask.to(device)
    states = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    means = [
        (states[layer].float() * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        for layer in layers_of(len(states) - 1)
    ]
    return torch.cat([normalize(mean, dim=1) for mean in means], dim=1) / LAYERS**0.5


def _merge(model: Any, adapter: Adapter) -> None:
    """Changes a model into the one that the adapter was trained as."""
    weights = {name: value.float().numpy() for name, value in model.state_dict().items()}
    model.load_state_dict(
        {name: torch.from_numpy(value) for name, value in adapter.merged(weights).items()}
    )
    model.encoder.layer = model.encoder.layer[: adapter.layers]
    model.config.num_hidden_layers = adapter.layers
