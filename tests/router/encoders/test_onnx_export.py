"""Converting an encoder: once, whole, and not without saying what is wrong."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from safetensors.numpy import load_file, save_file

from router.encoders.encoding import checksum
from router.encoders.onnx_export import encoder_dir, prepare
from router.errors import EncoderError
from tests.router.encoders.minilm import minilm
from tests.router.encoders.tiny_bert import tiny_bert


@pytest.fixture
def model(tmp_path):
    return tiny_bert(tmp_path / "model")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_the_graph_lies_where_its_weights_say(model, cache):
    """The directory is named by the weights' checksum, and records what the graph is made from."""
    found = prepare(model, cache)
    assert found.sha256 == checksum(model / "model.safetensors")
    assert found.graph == encoder_dir(cache, found.sha256) / "encoder.onnx"
    record = json.loads(found.graph.with_name("encoder.json").read_text())
    assert record["encoder.onnx"] == checksum(found.graph)
    assert record["model.safetensors"] == found.sha256


def test_a_model_is_converted_once(model, cache):
    """A second call finds the file of the first."""
    first = prepare(model, cache).graph.stat()
    second = prepare(model, cache).graph.stat()
    assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)


def test_conversion_gives_the_same_bytes_again(model, cache, tmp_path):
    """Two caches get the same graph."""
    assert checksum(prepare(model, cache).graph) == checksum(prepare(model, tmp_path / "b").graph)


@pytest.mark.parametrize("file", ["encoder.onnx", "encoder.json"])
def test_an_altered_file_in_the_cache_is_made_anew(model, cache, file):
    """What does not fit its checksum is not loaded."""
    graph = prepare(model, cache).graph
    expected = checksum(graph)
    graph.with_name(file).write_bytes(b"something else")
    assert checksum(prepare(model, cache).graph) == expected


def test_another_configuration_makes_another_graph(model, cache):
    """The record names every file that the graph was made from."""
    before = checksum(prepare(model, cache).graph)
    tiny_bert(model, layer_norm_eps=0.1)
    assert checksum(prepare(model, cache).graph) != before


def test_several_at_once_convert_and_leave_no_traces(model, cache):
    """All get the same graph; beside it lies nothing but the lock."""
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: prepare(model, cache), range(4)))
    assert len(found) == 1
    names = {path.name for path in (cache / "encoders").iterdir()}
    assert names == {".lock", found.pop().graph.parent.name}


def test_a_cache_that_cannot_be_written_is_named(model, tmp_path):
    """The error says what to do about it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EncoderError, match="niche models pull"):
        prepare(model, tmp_path / "file")


@pytest.mark.parametrize(
    ("key", "value"),
    [("model_type", "roberta"), ("hidden_act", "relu"), ("num_hidden_layers", "many")],
)
def test_another_kind_of_model_is_refused(tmp_path, cache, key, value):
    """The error names the key of config.json, and nothing half made is left behind."""
    model = tiny_bert(tmp_path / "model", **{key: value})
    with pytest.raises(EncoderError, match=rf"config\.json.*{key}.*BERT"):
        prepare(model, cache)
    assert [path.name for path in (cache / "encoders").iterdir()] == [".lock"]


def test_a_missing_tensor_is_named(model, cache):
    """Weights of something else cannot be converted."""
    weights = load_file(model / "model.safetensors")
    del weights["encoder.layer.2.output.dense.bias"]
    save_file(weights, model / "model.safetensors")
    with pytest.raises(EncoderError, match=r"layer\.2\.output\.dense\.bias"):
        prepare(model, cache)


def test_weights_that_are_none_are_refused(model, cache):
    """A file of another format is named."""
    (model / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(EncoderError, match=r"model\.safetensors"):
        prepare(model, cache)


def test_the_prefix_of_a_larger_model_does_not_matter(model, cache, tmp_path):
    """Weights saved from a model with a head on top give the same graph."""
    weights = load_file(model / "model.safetensors")
    other = tiny_bert(tmp_path / "other")
    save_file(
        {f"bert.{name}": value for name, value in weights.items()}, other / "model.safetensors"
    )
    assert checksum(prepare(other, cache).graph) == checksum(prepare(model, cache).graph)


def test_the_pulled_encoder_becomes_a_quarter_of_its_size():
    """Weights and the table of words take a byte per number."""
    path, cache = minilm()
    size = prepare(path, cache).graph.stat().st_size
    assert size < 0.27 * (path / "model.safetensors").stat().st_size
