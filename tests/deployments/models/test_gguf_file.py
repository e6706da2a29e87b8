"""Headers of GGUF files, and files that are damaged."""

import struct

import pytest

from deployments.models.errors import ModelError
from deployments.models.gguf_file import TOKEN_TYPES, TOKENS, check_whole, read_header
from tests.deployments.tiny_gguf import CONTEXT, CONTROL, WIDTH, save_tiny_gguf, vocabulary


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return save_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", tests__half=0.5)


def test_a_header_tells_metadata_and_shapes(file):
    """As they were written."""
    header = read_header(file)

    assert header.architecture == "llama"
    assert header.of_architecture("context_length") == CONTEXT
    assert header.metadata["tests.half"] == 0.5
    assert header.tensors["token_embd.weight"].shape == (len(vocabulary()), WIDTH)
    check_whole(header)


def test_arrays_are_read_on_request(file):
    """And otherwise passed over."""
    header = read_header(file, {TOKENS, TOKEN_TYPES})

    assert header.metadata[TOKENS] == vocabulary()
    assert header.metadata[TOKEN_TYPES][: len(CONTROL) + 1] == [3] * len(CONTROL) + [1]
    assert TOKENS not in read_header(file).metadata


def test_a_number_that_is_absent_is_named(file):
    """The file is no language model, or damaged."""
    with pytest.raises(ModelError, match=r"llama\.expert_count"):
        read_header(file).of_architecture("expert_count")


@pytest.mark.parametrize("kept", [0, 3, 20, 5000], ids=["empty", "in the magic", "a few", "more"])
def test_a_cut_header_is_said_clearly(file, tmp_path, kept):
    """The error names the file."""
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(file.read_bytes()[:kept])

    with pytest.raises(ModelError, match=r"cut\.gguf"):
        read_header(cut)


def value(key: str, kind: int, content: bytes) -> bytes:
    """A value of the metadata, as a file has it."""
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + content


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(value("a", 99, b""), id="no type"),
        pytest.param(value("a", 9, struct.pack("<IQ", 99, 0)), id="an array of no type"),
        pytest.param(value("a", 9, struct.pack("<IQ", 4, 2**64 - 1)), id="an endless array"),
        pytest.param(value("a", 8, struct.pack("<Q", 2**64 - 1)), id="an endless string"),
        pytest.param(
            value("general.alignment", 4, struct.pack("<I", 0)), id="no alignment of tensors"
        ),
    ],
)
def test_a_damaged_header_is_said_clearly(tmp_path, damaged):
    """Whatever is wrong in it, the error names the file."""
    file = tmp_path / "damaged.gguf"
    further = value("b", 8, struct.pack("<Q", 1) + b"c")
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + damaged + further)

    with pytest.raises(ModelError, match=r"damaged\.gguf.* damaged;"):
        read_header(file)


def test_cut_weights_are_said_clearly(file, tmp_path):
    """The header is whole, and the file ends before the last tensor does."""
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(file.read_bytes()[:-100])

    with pytest.raises(ModelError, match=r"cut\.gguf.*cut off"):
        check_whole(read_header(cut))


def test_another_file_is_no_model(tmp_path):
    """Nor is one of a version that nobody knows."""
    other = tmp_path / "other"
    other.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(ModelError, match="no GGUF file"):
        read_header(other)
    other.write_bytes(b"GGUF" + (9).to_bytes(4, "little") + bytes(100))
    with pytest.raises(ModelError, match="version 9"):
        read_header(other)
