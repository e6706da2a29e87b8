"""Adapter directories for the models of `tiny_gguf` and `tiny_model`, without torch."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from tests.deployments.tiny_gguf import HEADS, HIDDEN, KV_HEADS, WIDTH

RANK, ALPHA = 2, 4.0
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def save_lora(
    folder: Path,
    base: Path,
    *,
    seed: int | None = None,
    width: int = WIDTH,
    kv_width: int | None = None,
    layers: int = 2,
    config: dict[str, Any] | None = None,
    **card: Any,
) -> Path:
    """Writes an adapter for `base`; without a seed it changes nothing.

    Keys and values are as wide as a model with `HEADS` heads of that width has them, unless it says
    `kv_width`. `config` and `card` replace keys of PEFT's file and of the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kv = width * KV_HEADS // HEADS if kv_width is None else kv_width
    save_file(lora_weights(seed, width, kv, layers), folder / "adapter_model.safetensors")
    peft = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none"}
    peft |= {"target_modules": MODULES} | (config or {})
    (folder / "adapter_config.json").write_text(json.dumps(peft))
    weights = (folder / "adapter_model.safetensors").read_bytes()
    facts = {"niche": "toy", "base": str(base), "system_prompt": "do it."} | card
    facts["sha256"] = hashlib.sha256(weights).hexdigest()
    (folder / "niche.json").write_text(json.dumps(facts))
    return folder


def lora_weights(seed: int | None, width: int, kv: int, layers: int) -> dict[str, np.ndarray]:
    """Weights for every linear layer."""
    drawn = np.random.default_rng(seed or 0)
    shapes = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (kv, width),
        "self_attn.v_proj": (kv, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (HIDDEN, width),
        "mlp.up_proj": (HIDDEN, width),
        "mlp.down_proj": (width, HIDDEN),
    }
    weights = {}
    for layer in range(layers):
        for module, (rows, columns) in shapes.items():
            name = f"base_model.model.model.layers.{layer}.{module}"
            scale = 0.0 if seed is None else 0.3
            a, b = drawn.normal(size=(RANK, columns)), drawn.normal(size=(rows, RANK)) * scale
            if module in ("self_attn.o_proj", "mlp.down_proj"):
                b[0] = 0  # the first component of the tiny models stays as it is
            weights[f"{name}.lora_A.weight"] = a.astype(np.float16)
            weights[f"{name}.lora_B.weight"] = b.astype(np.float16)
    return weights
