"""Encoders in llama.cpp's format: the same vectors as transformers', made once, and what is
refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from deployments.engine import EngineContext, create_engine
from deployments.models.encoder_gguf import POOLING, encoder_gguf
from deployments.models.errors import ModelError
from deployments.models.gguf_file import read_header
from deployments.spec import ModelSpec
from tests.deployments.engines.embedding_conformance import vectors
from tests.mean_pooled import cosines, mean_pooled
from tests.model_requests import embedding
from tests.router.encoders.tiny_bert import tiny_bert

TEXTS = ["a", "hello there", "Öl & Wasser, 100%", "one two three four five six", "日本 x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("bert") / "tiny")


async def embedded(model: Path, cache: Path, **options) -> list[list[float]]:
    """The vectors of an engine that serves the model."""
    spec = ModelSpec(name="tiny", model=str(model), kind="embedding", engine_options=options)
    engine = create_engine([spec], EngineContext(cache))
    await engine.start()
    try:
        return vectors(await engine.complete(embedding(TEXTS, "tiny")))
    finally:
        await engine.stop()


async def test_llama_and_transformers_compute_the_same(folder, tmp_path):
    """With random weights in every layer, for words of one piece and of several."""
    found = await embedded(folder, tmp_path, pooling="mean")

    assert min(cosines(found, mean_pooled(folder, TEXTS))) > 0.999
    assert max(cosines(found[1:], found[:-1])) < 0.99


async def test_a_directory_of_sentence_transformers_says_how_to_pool(folder, tmp_path):
    """Then the operator need not."""
    model = with_files(folder, tmp_path / "m")
    (model / POOLING).parent.mkdir()
    modes = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (model / POOLING).write_text(json.dumps({"word_embedding_dimension": 32} | modes))

    assert min(cosines(await embedded(model, tmp_path), mean_pooled(folder, TEXTS))) > 0.999


def with_files(folder: Path, target: Path, **config: object) -> Path:
    """The model in another directory, with other settings."""
    target.mkdir(parents=True)
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    settings = json.loads((folder / "config.json").read_bytes()) | config
    (target / "config.json").write_text(json.dumps(settings))
    return target


def test_a_model_is_converted_once(folder, tmp_path):
    """And again when its file is damaged; another model has a file of its own."""
    first = encoder_gguf(folder, tmp_path)
    written, content = first.stat().st_mtime_ns, first.read_bytes()
    assert encoder_gguf(folder, tmp_path) == first
    assert first.stat().st_mtime_ns == written

    first.write_bytes(content[:-1] + b"x")
    assert encoder_gguf(folder, tmp_path).read_bytes() == content
    assert encoder_gguf(with_files(folder, tmp_path / "m", layer_norm_eps=1e-6), tmp_path) != first


def test_matrices_take_half_of_their_size(folder, tmp_path):
    """But for those that are added to others."""
    tensors = read_header(encoder_gguf(folder, tmp_path)).tensors
    half = {name for name, tensor in tensors.items() if tensor.kind == 1}

    assert "token_embd.weight" in half
    assert "blk.0.attn_q.weight" in half
    assert not half & {"position_embd.weight", "token_types.weight", "blk.0.attn_q.bias"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("hidden_act", "relu"), ("position_embedding_type", "relative_key"), ("is_decoder", True)],
)
def test_what_llama_would_compute_otherwise_is_refused(folder, tmp_path, key, value):
    """By name, and nothing is left in the cache."""
    model = with_files(folder, tmp_path / "m", **{key: value})

    with pytest.raises(ModelError, match=key):
        encoder_gguf(model, tmp_path)
    assert not list(tmp_path.glob("gguf/*"))


def test_a_tokenizer_that_llama_lacks_is_refused(folder, tmp_path):
    """Such as one that tells capital letters from small ones."""
    model = with_files(folder, tmp_path / "m")
    tokenizer = json.loads((model / "tokenizer.json").read_bytes())
    tokenizer["normalizer"]["lowercase"] = False
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))

    with pytest.raises(ModelError, match="lowercase"):
        encoder_gguf(model, tmp_path)


def test_a_tensor_that_nobody_knows_is_refused(folder, tmp_path):
    """Rather than left out."""
    model = with_files(folder, tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {"extra.weight": np.ones(3, np.float32)}, model / "model.safetensors")

    with pytest.raises(ModelError, match=r"extra\.weight"):
        encoder_gguf(model, tmp_path)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
def test_a_file_that_is_absent_is_named(folder, tmp_path, name):
    """Of a directory without it."""
    model = with_files(folder, tmp_path / "m")
    (model / name).unlink()

    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        encoder_gguf(model, tmp_path)


def test_a_damaged_configuration_is_named(folder, tmp_path):
    """With what it lacks."""
    model = with_files(folder, tmp_path / "m")
    settings = json.loads((folder / "config.json").read_bytes())
    del settings["hidden_size"]
    (model / "config.json").write_text(json.dumps(settings))

    with pytest.raises(ModelError, match="hidden_size"):
        encoder_gguf(model, tmp_path)
