"""An adapter directory for a tiny model, as training and publishing would leave one."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


def save_adapter(folder: Path, base: Path, *, seed: int | None = None, **card: Any) -> Path:
    """Writes an adapter for `base`; the card gets what is given beyond the usual.

    Without a seed it changes nothing; with one it changes every linear layer at random.
    """
    model = AutoModelForCausalLM.from_pretrained(base)
    lora = LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", task_type="CAUSAL_LM")
    peft = get_peft_model(model, lora)
    if seed is not None:
        drawn = torch.Generator().manual_seed(seed)
        for name, weight in peft.named_parameters():
            if "lora_" in name:
                weight.data = torch.randn(weight.shape, generator=drawn) * 0.2
    peft.save_pretrained(folder)
    weights = (folder / "adapter_model.safetensors").read_bytes()
    facts = {"niche": "toy", "base": str(base), "system_prompt": "do it."} | card
    facts["sha256"] = hashlib.sha256(weights).hexdigest()
    (folder / "niche.json").write_text(json.dumps(facts))
    return folder
