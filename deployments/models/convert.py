"""Turns a GGUF file into a transformers directory: bfloat16 safetensors, tokenizer, configuration.

transformers takes about 15 seconds to load a small GGUF file and 2 to load the result, so files are
converted once.
"""

import io
import shutil
from contextlib import redirect_stderr
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from deployments.models.errors import ModelError
from deployments.models.gguf_file import is_gguf


def convert_gguf(source: Path, target: Path, *, progress: bool = True) -> None:
    """Writes the transformers directory `target` (which must exist) from the GGUF file `source`.

    The end and padding tokens are those of the file's tokenizer; a tokenizer without a padding
    token pads with its end token.
    """
    folder, file = str(source.parent), source.name
    shown = None if progress else True  # None: only on a terminal
    with (
        tqdm(total=3, desc=f"convert {file}", unit="step", leave=False, disable=shown) as bar,
        redirect_stderr(io.StringIO()),  # the libraries' own bars fill a log file
    ):
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


def convert_own(source: Path, target: Path) -> Path:
    """Converts a user's GGUF file to the transformers directory `target`; returns it.

    The directory appears atomically: an interrupted run leaves `target` absent.

    Raises:
        ModelError: `source` is not a GGUF file, transformers cannot read its architecture, or
            `target` exists.
    """
    if not source.is_file() or not is_gguf(source):
        raise ModelError(f"{source} is no GGUF file; give the path of one")
    if target.exists():
        raise ModelError(f"{target} exists already; name another directory, or remove it")
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        convert_gguf(source, part)
    # A damaged file may make the readers raise anything.
    except Exception as error:
        shutil.rmtree(part)
        raise ModelError(f"{source}: transformers cannot read it: {error}") from error
    part.rename(target)
    return target
