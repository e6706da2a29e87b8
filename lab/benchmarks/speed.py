"""The encoder's speed: latency of single texts, and throughput with many callers.

Times include the tokeniser. The caller gives the texts; use real ones.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from router.classifier import TextEncoder
from router.encoders.encoder import Encoder
from router.errors import EncoderError

_SHORT = (20, 60)
_LONG = 512
_LONG_TEXTS = 20
_WARM_UP = 20
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Latency:
    """Times of single texts.

    Attributes:
        tokens: the band: the range of tokens of the texts, before truncation.
        texts: the number of different texts.
        calls: the number of timed calls.
        p50_ms: the median, milliseconds.
        p99_ms: the 99th percentile, milliseconds.
    """

    tokens: str
    texts: int
    calls: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """Texts per second, medians over alternating rounds.

    Attributes:
        together: the encoder, which encodes waiting texts in batches.
        one_by_one: the other encoder, one text per call.
    """

    together: float
    one_by_one: float

    @property
    def ratio(self) -> float:
        """The speed-up."""
        return self.together / self.one_by_one


def latency(encoder: Encoder, texts: Iterable[str], calls: int = 1000) -> tuple[Latency, Latency]:
    """The latency of short texts (20 to 60 tokens) and of long ones (512 tokens, joined from short
    ones).

    Args:
        encoder: the encoder; give it one thread.
        texts: texts of any length; those in the band are the short ones.
        calls: timed calls per band.

    Raises:
        ValueError: no text has 20 to 60 tokens.
    """
    given = list(texts)
    fewest, most = _SHORT
    short = [text for text in given if fewest <= encoder.count_tokens(text) <= most]
    if not short:
        raise ValueError(f"none of {len(given)} texts has {fewest} to {most} tokens; give others")
    long = list(itertools.islice(_long_texts(encoder, given), _LONG_TEXTS))
    return (
        _timed(encoder, f"{fewest}-{most}", short, calls),
        _timed(encoder, str(_LONG), long, calls),
    )


def throughput(
    encoder: TextEncoder,
    one_by_one: Callable[[str], object],
    texts: Sequence[str],
    waiting: int = 32,
) -> Throughput:
    """Throughput with many callers, compared with an encoder that takes one text at a time.

    Of 64 callers about half wait while the other half is computed; those waiting form the next
    batch, so the encoder gets 32 texts at a time.

    Args:
        encoder: the encoder; give it as many threads as the other one has.
        one_by_one: encodes a text.
        texts: the callers' texts, the same for both.
        waiting: the batch size.
    """
    groups = [texts[start : start + waiting] for start in range(0, len(texts), waiting)]
    together: list[float] = []
    single: list[float] = []
    for _ in range(_ROUNDS + 1):
        together.append(_seconds(encoder.encode, groups))
        single.append(_seconds(one_by_one, texts))
    # The first round warms both up.
    seconds = [float(np.median(rounds[1:])) for rounds in (together, single)]
    return Throughput(len(texts) / seconds[0], len(texts) / seconds[1])


def sentence_transformers_encode(path: Path, threads: int) -> Callable[[str], object]:
    """The usual way to encode a text with a model directory: `SentenceTransformer.encode`.

    Args:
        path: the model directory.
        threads: CPU threads of torch, for the whole process.

    Raises:
        EncoderError: sentence-transformers is not installed; nothing else here needs it.
    """
    try:
        import torch  # noqa: PLC0415 - only this comparison needs the two
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    except ImportError as error:
        raise EncoderError(
            "the comparison needs sentence-transformers: pip install --no-deps "
            "sentence-transformers==6.2.0"
        ) from error
    torch.set_num_threads(threads)
    model = SentenceTransformer(str(path), device="cpu")
    model.max_seq_length = 256
    return lambda text: model.encode(text, normalize_embeddings=True, show_progress_bar=False)


def _long_texts(encoder: Encoder, texts: Iterable[str]) -> Iterator[str]:
    special = encoder.count_tokens("")
    words = itertools.cycle([word for text in texts for word in text.split()])
    while True:
        chosen: list[str] = []
        tokens = special
        while tokens < _LONG:
            chosen.append(next(words))
            tokens += encoder.count_tokens(chosen[-1]) - special
        yield " ".join(chosen)


def _timed(encoder: Encoder, tokens: str, texts: Sequence[str], calls: int) -> Latency:
    turns = itertools.cycle(texts)
    for text in itertools.islice(turns, _WARM_UP):
        encoder.encode([text])
    times = [_seconds(encoder.encode, [[text]]) for text in itertools.islice(turns, calls)]
    p50, p99 = np.quantile(times, (0.5, 0.99)) * 1e3
    return Latency(tokens, len(texts), calls, float(p50), float(p99))


def _seconds(work: Callable[[Any], object], items: Iterable[Any]) -> float:
    started = time.perf_counter()
    for item in items:
        work(item)
    return time.perf_counter() - started
