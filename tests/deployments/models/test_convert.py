"""GGUF -> transformers directory, on a model of a few kilobytes."""

import re

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from deployments.models.convert import convert_gguf, convert_own
from deployments.models.errors import ModelError

LETTERS = "abcdefghijklmnopqrstuvwxyz"
TOKENS = ["<unk>", "<s>", "</s>", *LETTERS, "ab"]
WIDTH, INNER = 32, 64


def write_gguf(path):
    """A llama of one layer with a byte-pair tokenizer that knows one merge."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3, 3] + [1] * (len(TOKENS) - 3))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    random = np.random.default_rng(0)
    shapes = {
        "token_embd": (len(TOKENS), WIDTH),
        "output_norm": (WIDTH,),
        "blk.0.attn_norm": (WIDTH,),
        "blk.0.ffn_norm": (WIDTH,),
        "blk.0.attn_q": (WIDTH, WIDTH),
        "blk.0.attn_k": (WIDTH // 2, WIDTH),
        "blk.0.attn_v": (WIDTH // 2, WIDTH),
        "blk.0.attn_output": (WIDTH, WIDTH),
        "blk.0.ffn_gate": (INNER, WIDTH),
        "blk.0.ffn_up": (INNER, WIDTH),
        "blk.0.ffn_down": (WIDTH, INNER),
    }
    embedding = None
    for name, shape in shapes.items():
        weights = random.normal(size=shape).astype(np.float32)
        embedding = weights if embedding is None else embedding
        writer.add_tensor(f"{name}.weight", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return embedding


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gguf")
    embedding = write_gguf(folder / "tiny.gguf")
    target = folder / "out"
    target.mkdir()
    convert_gguf(folder / "tiny.gguf", target, progress=False)
    return target, embedding


def test_the_weights_are_the_files_rounded_to_bfloat16(converted):
    """Nothing but the rounding lies between the GGUF and the safetensors file."""
    target, embedding = converted
    model = AutoModelForCausalLM.from_pretrained(target)
    assert model.dtype == torch.bfloat16
    expected = torch.from_numpy(embedding).to(torch.bfloat16)
    assert torch.equal(model.get_input_embeddings().weight.detach(), expected)


def test_end_and_padding_are_the_tokenizers(converted):
    """The model stops at the tokenizer's end token and pads with it where there is no other."""
    target, _ = converted
    model = AutoModelForCausalLM.from_pretrained(target)
    for config in (model.config, model.generation_config):
        assert (config.eos_token_id, config.pad_token_id) == (2, 2)


def test_the_tokenizer_and_its_template_come_along(converted):
    """A conversation can be rendered and tokenized without the GGUF."""
    target, _ = converted
    tokenizer = AutoTokenizer.from_pretrained(target)
    chat = [{"role": "user", "content": "abc"}]
    ids = tokenizer.apply_chat_template(chat, return_dict=True)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["ab", "c"]


def test_a_users_own_file_becomes_a_directory_that_loads(tmp_path):
    """`convert_own` leaves a whole model directory and nothing half done beside it."""
    write_gguf(tmp_path / "own.gguf")

    target = convert_own(tmp_path / "own.gguf", tmp_path / "models" / "own")

    assert AutoModelForCausalLM.from_pretrained(target).config.num_hidden_layers == 1
    assert [path.name for path in target.parent.iterdir()] == ["own"]


@pytest.mark.parametrize("content", [b"", b"GGU", pytest.param(b"\x93NUMPY", id="numpy")])
def test_what_is_no_gguf_file_is_refused(tmp_path, content):
    """The first bytes tell, and the message names the file."""
    path = tmp_path / "other.gguf"
    path.write_bytes(content)

    with pytest.raises(ModelError, match=r"other\.gguf"):
        convert_own(path, tmp_path / "out")


def test_a_damaged_file_leaves_nothing_behind(tmp_path):
    """A file that begins well and cannot be read is refused, and no directory stays."""
    path = tmp_path / "cut.gguf"
    write_gguf(path)
    path.write_bytes(path.read_bytes()[:300])

    with pytest.raises(ModelError, match=r"cut\.gguf"):
        convert_own(path, tmp_path / "out")

    assert [child.name for child in tmp_path.iterdir()] == ["cut.gguf"]


def test_an_existing_directory_is_not_overwritten(tmp_path):
    """The target must be new."""
    write_gguf(tmp_path / "own.gguf")

    with pytest.raises(ModelError, match=rf"{re.escape(str(tmp_path))} exists"):
        convert_own(tmp_path / "own.gguf", tmp_path)
