"""GGUF -> transformers directory, on a model of a few kilobytes."""

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from deployments.models.convert import convert_gguf

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
