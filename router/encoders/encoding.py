"""Tokenisation and pooling, shared by all encoders here.

Rule for long texts: of a text with more than `max_tokens` tokens, the first 3/4 `max_tokens` and
the last 1/4 `max_tokens` are kept, and the middle is dropped, since a question is usually at one of
the ends. Very long texts lose characters from the middle before tokenisation, by the same
proportion.

Rule for vectors: a text's tokens are averaged at the last layer, the middle layer and the
embeddings; each mean is scaled to length 1, and so is their concatenation.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from router.errors import EncoderError

WEIGHTS = "model.safetensors"
LAYERS = 3
"""Means per vector."""

_FEWEST_TOKENS = 8
# Few words have more characters.
_CHARACTERS_PER_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Cut:
    """The token ids of a text, special tokens included, and whether it was cut."""

    ids: list[int]
    truncated: bool


class Tokens:
    """Tokenises texts, and cuts long ones as described above.

    Args:
        path: the model's directory, with `config.json` and `tokenizer.json`.
        max_tokens: the most tokens that a text keeps, special tokens included; by default the
            model's limit.

    Raises:
        EncoderError: the model is absent, or does not take `max_tokens`.
    """

    def __init__(self, path: Path, max_tokens: int | None = None) -> None:
        most = _positions(path / "config.json")
        max_tokens = most if max_tokens is None else max_tokens
        if not _FEWEST_TOKENS <= max_tokens <= most:
            raise EncoderError(
                f"max_tokens is {max_tokens}; the encoder at {path} takes "
                f"{_FEWEST_TOKENS} to {most}"
            )
        file = path / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing narrower
            raise EncoderError(
                f"{file} cannot be read as a tokenizer ({error}); name a model directory with one"
            ) from error
        # Model files have settings for both; ignore them.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tail = max_tokens // 4
        self._head = max_tokens - self._tail

    def of(self, text: str) -> Cut:
        """A text's tokens, at most `max_tokens`."""
        head, tail = (part * _CHARACTERS_PER_TOKEN for part in (self._head, self._tail))
        long = len(text) > head + tail
        ids = self._ids(f"{text[:head]} {text[-tail:]}" if long else text)
        if len(ids) <= self._head + self._tail:
            return Cut(ids, long)
        return Cut(ids[: self._head] + ids[-self._tail :], truncated=True)

    def count(self, text: str) -> int:
        """The number of tokens of the whole text."""
        return len(self._ids(text))

    def _ids(self, text: str) -> list[int]:
        # JSON can carry surrogates: pairs become one character, lone ones are replaced.
        sound = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return self._tokenizer.encode(sound).ids


def _positions(file: Path) -> int:
    try:
        return int(json.loads(file.read_bytes())["max_position_embeddings"])
    except OSError as error:
        raise _absent(file, error) from error
    except (ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            f"{file} is no encoder's configuration ({error!r}); name a model directory"
        ) from error


def layers_of(depth: int) -> tuple[int, int, int]:
    """The layers whose means make a vector, of an encoder `depth` layers deep; 0: embeddings."""
    return depth, depth // 2, 0


def checksum(file: Path) -> str:
    """The sha256 of a model's file, in hex.

    Raises:
        EncoderError: the file cannot be read.
    """
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise _absent(file, error) from error


def _absent(file: Path, error: OSError) -> EncoderError:
    return EncoderError(
        f"no encoder at {file.parent}: {file.name} cannot be read ({error.strerror}); "
        "name a model directory, or pull the model: niche models pull NAME"
    )
