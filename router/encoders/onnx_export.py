"""Converts a model directory to a quantised graph in the cache, once.

    <cache>/encoders/<first 16 of the encoder's sha256>-int8-v1/encoder.onnx
    <cache>/encoders/<first 16 of the encoder's sha256>-int8-v1/encoder.json    its sources

The encoder's sha256 is that of its weights, or that of its weights and an adapter together.

Rule: a graph whose record does not match is converted again. Of several processes that start at
once, one converts and the others wait; renaming makes the directory appear atomically.
"""

import fcntl
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from router.encoders.adapter import Adapter
from router.encoders.encoding import WEIGHTS, Tokens, checksum
from router.errors import EncoderError

FORMAT = "int8-v1"
"""The version of the graph; each version has its own directories."""

_GRAPH, _RECORD = "encoder.onnx", "encoder.json"
_SAMPLES = Path(__file__).parent / "calibration_texts.txt"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Converted:
    """A graph in the cache, and the checksum of the encoder that it was made from."""

    graph: Path
    sha256: str


def encoder_dir(cache_dir: Path, sha256: str) -> Path:
    """The directory of the graph of an encoder with this checksum."""
    return cache_dir / "encoders" / f"{sha256[:16]}-{FORMAT}"


def prepare(path: Path, cache_dir: Path, adapter: Adapter | None = None) -> Converted:
    """Returns the graph of a model directory; converts it if the cache has none.

    Takes seconds the first time, and needs no network.

    Args:
        path: a BERT model: `config.json`, `model.safetensors` and `tokenizer.json`.
        cache_dir: where graphs are kept.
        adapter: merged into the weights first.

    Raises:
        EncoderError: the model is absent, broken or of another kind, or the cache cannot be
            written.
    """
    sources = _sources(path, adapter)
    sha256 = sources[WEIGHTS] if adapter is None else adapter.identity(sources[WEIGHTS])
    target = encoder_dir(cache_dir, sha256)
    if not _is_sound(target, sources):
        try:
            with _alone(target.parent):
                if not _is_sound(target, sources):
                    _install(path, target, sources, adapter)
        except OSError as error:
            raise EncoderError(
                f"the encoder at {path} must be converted once, and {target} cannot be written "
                f"({error.strerror}); make the cache writable, or convert it where it is: "
                "niche models pull"
            ) from error
    return Converted(target / _GRAPH, sha256)


def _sources(path: Path, adapter: Adapter | None) -> dict[str, str]:
    """The checksums of all inputs of the conversion."""
    files = [path / WEIGHTS, path / "config.json", path / "tokenizer.json", _SAMPLES]
    own = {} if adapter is None else {"adapter": adapter.sha256}
    return {"format": FORMAT, **{file.name: checksum(file) for file in files}, **own}


def _is_sound(target: Path, sources: dict[str, str]) -> bool:
    try:
        record = json.loads((target / _RECORD).read_text(encoding="utf-8"))
        return bool(record == {**sources, _GRAPH: checksum(target / _GRAPH)})
    except (OSError, ValueError, EncoderError):
        return False


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds a file lock, which the system frees if the process dies."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _install(path: Path, target: Path, sources: dict[str, str], adapter: Adapter | None) -> None:
    _log.info("converting the encoder at %s, once; this takes seconds", path)
    started = time.perf_counter()
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        work.chmod(0o755)  # a cache may be shared
        (work / _GRAPH).write_bytes(_convert(path, adapter))
        record = {**sources, _GRAPH: checksum(work / _GRAPH)}
        (work / _RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _log.info("converted the encoder in %.1f s: %s", time.perf_counter() - started, target)


def _convert(path: Path, adapter: Adapter | None) -> bytes:
    # Imported here: only a conversion needs them.
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.numpy import load_file  # noqa: PLC0415

    from router.encoders.onnx_graph import BertConfig, bert  # noqa: PLC0415
    from router.encoders.quantisation import int8_linear, observe, watching_linear  # noqa: PLC0415

    tokens = Tokens(path)
    samples = [tokens.of(text).ids for text in _sample_texts()]
    try:
        config = BertConfig.model_validate_json((path / "config.json").read_bytes())
        raw = load_file(path / WEIGHTS)
        weights = {name.removeprefix("bert."): raw[name].astype(np.float32) for name in raw}
        if adapter is not None:
            weights = adapter.merged(weights)
            config = config.model_copy(update={"num_hidden_layers": adapter.layers})
        inputs: dict[str, str] = {}
        exact = bert(config, weights, watching_linear(inputs))
        ranges = observe(exact, inputs, samples)
        quantised = bert(config, weights, int8_linear(ranges))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise EncoderError(
            f"{path / 'config.json'}: {faults}; encoders are BERT models, such as MiniLM"
        ) from error
    except (KeyError, SafetensorError) as error:
        raise EncoderError(f"{path / WEIGHTS}: {error}; pull or copy the model again") from error
    return quantised.SerializeToString()


def _sample_texts() -> list[str]:
    texts = _SAMPLES.read_text(encoding="utf-8").split("\n%%\n")
    # Join a dozen texts, to have long inputs as well.
    return texts + ["\n".join(texts[start : start + 12]) for start in range(0, len(texts), 12)]
