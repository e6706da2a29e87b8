"""Text to vectors, with a frozen sentence encoder on CPU.

The one file here that imports torch and transformers; nothing else in the package imports it.
Vectors are means over the tokens of the last layer, scaled to length 1: what all-MiniLM-L6-v2 was
trained for.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from router.classifier import Encoded
from router.errors import EncoderError

__all__ = ["Encoder"]

_WEIGHTS = "model.safetensors"
_BATCH = 32
# The tokenizer reads a whole text before it cuts, so megabytes are cut first. Few words are longer.
_CHARACTERS_PER_TOKEN = 16


class Encoder:
    """A sentence encoder in a local directory.

    Args:
        path: the directory with `model.safetensors`, `config.json` and the tokenizer's files.
        threads: CPU threads; torch holds this setting for the whole process.
        max_tokens: longer texts are cut, and reported as truncated.

    Attributes:
        name: the directory's name.
        sha256: checksum of the weights; an artifact is bound to it.

    Raises:
        EncoderError: the directory is not there, or is not such a model.
    """

    def __init__(self, path: Path, threads: int = 1, max_tokens: int = 256) -> None:
        weights = path / _WEIGHTS
        if not weights.is_file():
            raise EncoderError(f"no encoder at {path}: {_WEIGHTS} is missing; name its directory")
        torch.set_num_threads(threads)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
            model = AutoModel.from_pretrained(
                path, local_files_only=True, dtype=torch.float32, use_safetensors=True
            )
        except (OSError, ValueError) as error:
            raise EncoderError(f"{path} cannot be loaded as an encoder: {error}") from error
        self._model = model.eval()
        self._max_tokens = max_tokens
        self.name = path.name
        self.sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Vectors of the texts, float32 (n, 384) of length 1, and which texts were cut."""
        if not texts:
            width = int(self._model.config.hidden_size)
            return Encoded(np.zeros((0, width), np.float32), np.zeros(0, np.bool_))
        # Texts of like length share a batch, so that little is computed for padding.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors: list[np.ndarray] = []
        truncated: list[bool] = []
        for start in range(0, len(order), _BATCH):
            part = self._encode_batch([texts[index] for index in order[start : start + _BATCH]])
            vectors.append(part.vectors)
            truncated.extend(part.truncated)
        back = np.argsort(order)
        return Encoded(np.concatenate(vectors)[back], np.array(truncated, np.bool_)[back])

    @torch.inference_mode()
    def _encode_batch(self, texts: Sequence[str]) -> Encoded:
        limit = self._max_tokens * _CHARACTERS_PER_TOKEN
        tokens = self._tokenizer(
            [text[:limit] for text in texts],
            padding=True,
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="pt",
        )
        cut = [
            len(text) > limit or bool(encoding.overflowing)
            for text, encoding in zip(texts, tokens.encodings, strict=True)
        ]
        hidden = self._model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        vectors = torch.nn.functional.normalize(mean, dim=1).numpy()
        return Encoded(vectors.astype(np.float32), np.array(cut, np.bool_))
