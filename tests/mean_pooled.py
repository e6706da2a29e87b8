"""What sentence-transformers computes of a text: the mean of its tokens' vectors, of length one."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np


def mean_pooled(model: Path, texts: Sequence[str], tokens: int = 256) -> list[np.ndarray]:
    """The vectors of texts, computed by transformers; of a long text those of its first tokens."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, encoder = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model)
    found = []
    for text in texts:
        given = tokenizer(text, return_tensors="pt", truncation=True, max_length=tokens)
        with torch.no_grad():
            mean = encoder(**given).last_hidden_state[0].mean(0).numpy()
        found.append(mean / np.linalg.norm(mean))
    return found


def cosines(first: Iterable[Sequence[float]], second: Iterable[Sequence[float]]) -> list[float]:
    """Of each pair of vectors of length one."""
    return [float(np.dot(one, other)) for one, other in zip(first, second, strict=True)]
