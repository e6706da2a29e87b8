"""Turns a GGUF file into a transformers directory: bfloat16 safetensors, tokenizer, configuration.

transformers needs about 15 seconds to read a small GGUF and 2 to read the result, so it is done
once.
"""

from pathlib import Path

import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

__all__ = ["convert_gguf"]


def convert_gguf(source: Path, target: Path, *, progress: bool = True) -> None:
    """Writes the transformers directory `target` (which must exist) from the GGUF file `source`.

    The end and padding tokens are those of the tokenizer that the file holds; a tokenizer without a
    padding token pads with its end token.
    """
    folder, file = str(source.parent), source.name
    with tqdm(total=3, desc=f"convert {file}", unit="step", disable=not progress) as bar:
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        bar.update()
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            gguf_file=file,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,  # dequantized exactly, rounded once below
        )
        bar.update()
        for config in (model.config, model.generation_config):
            config.bos_token_id = tokenizer.bos_token_id
            config.eos_token_id = tokenizer.eos_token_id
            config.pad_token_id = tokenizer.pad_token_id
        model.to(torch.bfloat16).save_pretrained(target)
        tokenizer.save_pretrained(target)
        bar.update()
