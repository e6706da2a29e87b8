"""A causal language model of a few thousand random weights, with a tokenizer of single letters."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

LETTERS = "abcdefghijklmnopqrstuvwxyz .,!?:"
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'][0] }}:{{ message['content'] }}!{% endfor %}a:"
)


def save_tiny_model(
    folder: Path, layers: int = 2, width: int = 32, *, hides_unknown: bool = True
) -> Path:
    """Writes the model and its tokenizer; the weights are the same every time.

    Args:
        folder: where to.
        layers: how many.
        width: of each, for two heads.
        hides_unknown: whether the token for unknown letters is left out of answers.
    """
    vocabulary = save_tokenizer(folder, LETTERS, hides_unknown=hides_unknown)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        initializer_range=0.4,  # sharp enough that greedy answers are not all one letter
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path, letters: str, *, hides_unknown: bool = True) -> int:
    """Writes a tokenizer that knows these letters; returns the size of its vocabulary."""
    vocabulary = {"<end>": 0, "<unk>": 1} | {letter: i + 2 for i, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    # As SentencePiece's: llguidance knows no tokenizer without a kind of bytes.
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    special = {"eos_token": "<end>", "pad_token": "<end>"}
    if hides_unknown:
        special["unk_token"] = "<unk>"
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    return len(vocabulary)
