"""A static embedding: the mean of one vector per token, without any layers.

It reads a tensor of token vectors from a safetensors file, and a tokenizer next to it: the input
embeddings of any encoder, or a distilled table.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from tokenizers import Tokenizer

from router.classifier import Encoded
from router.errors import EncoderError

_TABLES = ("embeddings.word_embeddings.weight", "embedding.weight", "embeddings")


class StaticEncoder:
    """Mean token vectors of length 1.

    Args:
        path: a directory with one `*.safetensors` and one `*token*.json` in the format of the
            `tokenizers` package.

    Raises:
        EncoderError: either is missing, or the file holds no table of token vectors.
    """

    def __init__(self, path: Path) -> None:
        weights = sorted(path.glob("*.safetensors"))
        vocabularies = sorted(path.glob("tokenizer.json")) or sorted(path.glob("*tokenizer*.json"))
        if not weights or not vocabularies:
            raise EncoderError(f"{path} holds no *.safetensors with a tokenizer's JSON beside it")
        self.name = path.name
        self.sha256 = hashlib.sha256(weights[0].read_bytes()).hexdigest()
        self._table = _table(weights[0])
        self._tokenizer = Tokenizer.from_file(str(vocabularies[0]))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Vectors of the texts, float32 (n, width); a text without tokens has the zero vector."""
        found = np.zeros((len(texts), self._table.shape[1]), np.float32)
        for row, tokens in enumerate(
            self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ):
            if tokens.ids:
                mean = self._table[tokens.ids].mean(axis=0)
                found[row] = mean / max(float(np.linalg.norm(mean)), 1e-9)
        return Encoded(found, np.zeros(len(texts), np.bool_))


def _table(weights: Path) -> NDArray[np.float32]:
    with safe_open(weights, "np") as tensors:
        known = [name for name in tensors.keys() if name in _TABLES]  # noqa: SIM118 - not a mapping
        if not known:
            raise EncoderError(f"{weights} has none of the tensors {', '.join(_TABLES)}")
        return np.asarray(tensors.get_tensor(known[0]), np.float32)
