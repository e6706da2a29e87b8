"""The adapter: what is saved is merged, alike by numpy and torch, and nothing that does not fit."""

from dataclasses import replace

import numpy as np
import pytest
from peft import LoraConfig, get_peft_model
from safetensors.numpy import load_file, save_file
from transformers import AutoModel

from router.encoders.adapter import FILE, Adapter, adapter_of, read_adapter, save_adapter
from router.encoders.encoder import Encoder
from router.encoders.encoding import WEIGHTS, checksum
from router.encoders.onnx_export import encoder_dir, prepare
from router.encoders.torch_encoder import TorchEncoder
from router.errors import EncoderError
from tests.router.encoders.tiny_bert import tiny_adapter, tiny_bert

TEXTS = ["hello you", "select rows from it", "a b c d e f g", "", "z"]
QUERY = "encoder.layer.0.attention.self.query"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def adapter(model, tmp_path_factory):
    """An adapter as it is read from its file."""
    file = tmp_path_factory.mktemp("artifact") / FILE
    save_adapter(tiny_adapter(model), file)
    return read_adapter(file)


def test_what_is_saved_is_read(model, tmp_path):
    """Pairs, layers, scale and base come back; the checksum is that of the file."""
    saved = tiny_adapter(model)
    save_adapter(saved, tmp_path / "new" / FILE)
    found = read_adapter(tmp_path / "new" / FILE)
    assert (found.base_sha256, found.layers, found.scale) == (
        *(saved.base_sha256, saved.layers, saved.scale),
    )
    assert found.sha256 == checksum(tmp_path / "new" / FILE)
    assert set(found.pairs) == set(saved.pairs)
    for name, pair in saved.pairs.items():
        assert [part.tolist() for part in found.pairs[name]] == [part.tolist() for part in pair]


def test_an_artifact_without_a_file_has_the_base_encoder(tmp_path):
    """Only a fine-tuned artifact has an adapter."""
    assert adapter_of(tmp_path) is None


def test_an_artifact_with_a_file_has_its_adapter(model, tmp_path):
    """It lies beside the artifact's other files."""
    save_adapter(tiny_adapter(model), tmp_path / FILE)
    assert adapter_of(tmp_path).layers == 2


def test_merging_adds_the_scaled_product(model, adapter):
    """The matrices of the pairs change, and nothing else does."""
    base = load_file(model / WEIGHTS)
    merged = adapter.merged(base)
    a, b = adapter.pairs[QUERY]
    expected = base[f"{QUERY}.weight"] + 1.5 * b @ a
    assert merged[f"{QUERY}.weight"] == pytest.approx(expected, abs=1e-6)
    changed = {name for name in base if not np.array_equal(base[name], merged[name])}
    assert changed == {f"{name}.weight" for name in adapter.pairs}


def test_merging_is_what_peft_does(model, adapter):
    """All weights of the kept layers equal those of a model that peft merged."""
    bert = AutoModel.from_pretrained(model, local_files_only=True)
    bert.encoder.layer = bert.encoder.layer[: adapter.layers]
    bert.pooler = None
    rank = len(adapter.pairs[QUERY][0])
    lora = LoraConfig(
        r=rank,
        lora_alpha=round(adapter.scale * rank),
        target_modules=["query", "key", "value", "dense"],
    )
    tuned = get_peft_model(bert, lora)
    with_pairs = tuned.state_dict()
    for name, pair in adapter.pairs.items():
        for part, matrix in zip("AB", pair, strict=True):
            key = f"base_model.model.{name}.lora_{part}.default.weight"
            with_pairs[key].copy_(with_pairs[key].new_tensor(matrix))
    theirs = tuned.merge_and_unload().state_dict()
    ours = adapter.merged(load_file(model / WEIGHTS))
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value.numpy(), abs=1e-5), name


def test_both_encoders_merge_it_alike(model, adapter, tmp_path):
    """The quantised graph and torch agree with the adapter, and differ from the base."""
    quantised = Encoder(model, tmp_path, max_tokens=32, adapter=adapter)
    exact = TorchEncoder(model, max_tokens=32, adapter=adapter)
    base = TorchEncoder(model, max_tokens=32)
    assert quantised.sha256 == exact.sha256 != base.sha256
    ours, theirs = quantised.encode(TEXTS).vectors, exact.encode(TEXTS).vectors
    assert (ours * theirs).sum(axis=1).min() >= 0.98
    assert (theirs * base.encode(TEXTS).vectors).sum(axis=1).max() < 0.9


def test_an_adapted_encoder_has_a_graph_of_its_own(model, adapter, tmp_path):
    """The graphs of the base and of several adapters lie side by side in the cache."""
    other = replace(adapter, sha256="0" * 64)
    found = [prepare(model, tmp_path, which) for which in (None, adapter, other)]
    assert len({one.graph for one in found}) == 3
    assert found[1].sha256 == adapter.identity(checksum(model / WEIGHTS))
    assert found[1].graph.parent == encoder_dir(tmp_path, found[1].sha256)


@pytest.mark.parametrize("kind", [Encoder, TorchEncoder], ids=["numpy", "torch"])
def test_another_base_is_refused(adapter, tmp_path, kind):
    """The error names both bases by their checksums, and nothing is converted."""
    weights = load_file(tiny_bert(tmp_path / "a") / WEIGHTS)
    weights["pooler.dense.bias"] += 1
    other = tiny_bert(tmp_path / "b", weights)
    rest = (tmp_path / "cache",) if kind is Encoder else ()
    with pytest.raises(EncoderError) as raised:
        kind(other, *rest, max_tokens=32, adapter=adapter)
    assert adapter.base_sha256 in str(raised.value)
    assert checksum(other / WEIGHTS) in str(raised.value)
    assert not (tmp_path / "cache").exists()


ODD_PAIR = (np.ones((4, 8), np.float32), np.ones((8, 4), np.float32))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"pairs": {QUERY: ODD_PAIR}}, QUERY),
        ({"pairs": {"encoder.layer.0.gate": ODD_PAIR}}, r"encoder\.layer\.0\.gate"),
        ({"layers": 5}, "5 layers"),
    ],
    ids=["another shape", "an unknown matrix", "more layers"],
)
@pytest.mark.parametrize("kind", [Encoder, TorchEncoder], ids=["numpy", "torch"])
def test_what_the_base_does_not_have_is_named(model, adapter, tmp_path, kind, change, named):
    """The adapter of an encoder of another shape is refused, though its base is claimed."""
    rest = (tmp_path,) if kind is Encoder else ()
    with pytest.raises(EncoderError, match=named):
        kind(model, *rest, max_tokens=32, adapter=replace(adapter, sha256="1", **change))


def test_an_absent_file_is_named(tmp_path):
    """Reading says which file there is not."""
    with pytest.raises(EncoderError, match=FILE):
        read_adapter(tmp_path / FILE)


@pytest.mark.parametrize("damage", ["cut", "another format", "empty"])
def test_a_damaged_file_is_named(model, tmp_path, damage):
    """The error names the file and the remedy."""
    file = tmp_path / FILE
    save_adapter(tiny_adapter(model), file)
    raw = file.read_bytes()
    file.write_bytes(
        {"cut": raw[: len(raw) // 2], "another format": b"nothing", "empty": b""}[damage]
    )
    with pytest.raises(EncoderError, match=rf"{FILE}.*train again"):
        adapter_of(tmp_path)


ABOUT = {"base_sha256": "0", "layers": "1", "scale": "1.0"}
PAIR = {"x.a": np.ones((2, 3), np.float16), "x.b": np.ones((4, 2), np.float16)}


@pytest.mark.parametrize(
    ("about", "tensors"),
    [
        ({"base_sha256": "0", "layers": "1"}, {}),
        ({**ABOUT, "layers": "many"}, {}),
        ({**ABOUT, "layers": "0"}, {}),
        ({**ABOUT, "scale": "nan"}, {}),
        (ABOUT, {"x.b": np.ones((4, 3), np.float16)}),
        (ABOUT, {"x.a": np.ones(3, np.float16)}),
        (ABOUT, {"x.a": np.full((2, 3), np.inf, np.float16)}),
        (ABOUT, {"y.a": np.ones((2, 3), np.float16)}),
    ],
    ids=[
        *("no scale", "layers are no number", "no layers", "scale is none"),
        *("ranks differ", "a vector", "infinite", "half a pair"),
    ],
)
def test_a_file_that_is_no_adapter_is_named(tmp_path, about, tensors):
    """A sound file with another content is refused as well."""
    save_file(PAIR | tensors, tmp_path / FILE, about)
    with pytest.raises(EncoderError, match=FILE):
        read_adapter(tmp_path / FILE)


def test_the_tensors_of_a_well_formed_file_are_accepted(tmp_path):
    """The file of the cases above is an adapter without their faults."""
    save_file(PAIR, tmp_path / FILE, ABOUT)
    assert isinstance(read_adapter(tmp_path / FILE), Adapter)
