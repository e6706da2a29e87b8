"""Encodes texts on the CPU: a sentence encoder as a quantised graph on ONNX Runtime.

Rule: only texts with the same number of tokens share a forward pass, without padding; so a text's
vector does not depend on the rest of the batch. Padding would cost as much as batching gains.
Several threads run passes concurrently, each pass on one thread, without spinning.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession, SessionOptions

from router.classifier import Encoded
from router.encoders.adapter import Adapter
from router.encoders.encoding import Cut, Tokens
from router.encoders.onnx_export import prepare
from router.errors import EncoderError

_TOKENS_PER_PASS = 1024


class Encoder:
    """A sentence encoder in a local directory.

    The first use converts the model, which takes seconds; see `router.encoders.onnx_export`.

    Args:
        path: the directory with `model.safetensors`, `config.json` and `tokenizer.json`.
        cache_dir: where the converted model is kept.
        threads: CPU threads, which is also the number of concurrent forward passes.
        max_tokens: longer texts are cut, as `encoding` says, and reported as truncated.
        adapter: the artifact's, if its encoder was fine-tuned.

    Attributes:
        name: the directory's name.
        graph: the converted model's file.
        sha256: checksum of the original weights and the adapter; artifacts refer to it.

    Raises:
        EncoderError: the directory is absent, holds no such model, or cannot be converted.
    """

    def __init__(
        self,
        path: Path,
        cache_dir: Path,
        threads: int = 1,
        max_tokens: int = 256,
        adapter: Adapter | None = None,
    ) -> None:
        self._tokens = Tokens(path, max_tokens)
        converted = prepare(path, cache_dir, adapter)
        self.name = path.name
        self.graph = converted.graph
        self.sha256 = converted.sha256
        self._session = _session(converted.graph)
        self._width = int(self._session.get_outputs()[0].shape[1])
        self._map: Callable[..., Iterable[Any]] = (
            map if threads == 1 else ThreadPoolExecutor(threads, "encoder").map
        )

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Vectors of the texts, float32 (n, 3 x hidden) of length 1, and which texts were cut."""
        cuts = [self._tokens.of(text) for text in texts]
        passes = list(_passes(cuts))
        batches = [np.array([cuts[row].ids for row in rows]) for rows in passes]
        vectors = np.empty((len(texts), self._width), np.float32)
        for rows, encoded in zip(passes, self._map(self._run, batches), strict=True):
            vectors[rows] = encoded
        return Encoded(vectors, np.array([cut.truncated for cut in cuts], np.bool_))

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has before it is cut."""
        return self._tokens.count(text)

    def _run(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._session.run(None, {"ids": ids})[0]


def _passes(cuts: Sequence[Cut]) -> Iterator[list[int]]:
    """The rows of each forward pass: of one length, and limited in number."""
    of_length: dict[int, list[int]] = defaultdict(list)
    for row, cut in enumerate(cuts):
        of_length[len(cut.ids)].append(row)
    for length, rows in of_length.items():
        size = max(1, _TOKENS_PER_PASS // length)
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def _session(graph: Path) -> InferenceSession:
    options = SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        return InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library raises nothing narrower
        raise EncoderError(
            f"{graph} cannot be loaded ({error}); install the pinned onnxruntime, or remove the "
            "file, which is then made again"
        ) from error
