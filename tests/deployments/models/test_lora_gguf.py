"""Adapters in llama.cpp's format: the same function as PEFT's, made once, and what is refused."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from deployments.models.adapters import CARD, CONFIG, WEIGHTS, load_adapter
from deployments.models.errors import ModelError
from deployments.models.gguf_file import GgufHeader, read_header
from deployments.models.lora_gguf import adapter_gguf
from tests.deployments.adapters import save_adapter
from tests.deployments.tiny_gguf import (
    HEAD,
    HIDDEN,
    KV_HEADS,
    WIDTH,
    save_gguf,
    save_tiny_gguf,
    tiny_weights,
    vocabulary,
)
from tests.deployments.tiny_lora import ALPHA, RANK, save_lora


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> GgufHeader:
    return read_header(save_tiny_gguf(tmp_path_factory.mktemp("base") / "tiny.gguf"))


def converted(folder: Path, base: GgufHeader, cache: Path) -> Path:
    return adapter_gguf(load_adapter(str(folder)), base, cache)


def test_llama_and_peft_compute_the_same(tmp_path):
    """With an adapter of random weights in every layer: the likeliest tokens and how likely."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from lab.specialists.merged_model import load_model
    from tests.deployments.checkpoint_gguf import as_gguf

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary()),
        hidden_size=WIDTH,
        intermediate_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=WIDTH // HEAD,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=512,
        initializer_range=0.4,
        rms_norm_eps=1e-6,
    )
    checkpoint = tmp_path / "base"
    LlamaForCausalLM(config).save_pretrained(checkpoint)
    adapter = load_adapter(str(save_adapter(tmp_path / "adapter", checkpoint, seed=1)))
    plain = load_model(checkpoint, None, torch.float32)
    model = save_gguf(tmp_path / "base.gguf", as_gguf(plain))
    lora = adapter_gguf(adapter, read_header(model), tmp_path)
    prompts = [[100, 7, 33, 200, 5, 91, first] for first in range(3, 15)]
    answers = asked(model, lora, prompts, tmp_path)
    references = {0.0: plain, 1.0: load_model(checkpoint, adapter, torch.float32)}

    assert len(answers) > len(prompts)
    for (number, scale), answer in answers.items():
        with torch.no_grad():
            logits = references[scale](torch.tensor([prompts[number]])).logits[0, -1]
        wanted = logits.log_softmax(-1)
        assert {token: pytest.approx(value, abs=5e-2) for token, value in answer.items()} == {
            token: float(wanted[token]) for token in answer
        }
        assert max(answer, key=answer.get) == int(wanted.argmax())


def asked(
    model: Path, lora: Path, prompts: list[list[int]], folder: Path
) -> dict[tuple[int, float], dict[int, float]]:
    """The likeliest next tokens of each prompt, by its number and the scale of the adapter; without
    those where the next one is half a character, of which the server says nothing."""
    import xllamacpp

    from deployments.engines._llama_options import LlamaOptions
    from deployments.engines._llama_server import server_parameters

    options = LlamaOptions(parallel_requests=1, max_context_tokens=64, max_batch_tokens=32)
    server = xllamacpp.Server(server_parameters(model, [lora], options, 1, folder / "a.sock"))
    answers = {}
    for number, prompt in enumerate(prompts):
        for scale in (0.0, 1.0):
            body = {"prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": 5}
            body["lora"] = [{"id": 0, "scale": scale}]
            logprobs = server.handle_completions(body)["choices"][0]["logprobs"]
            if logprobs and logprobs["content"]:
                top = logprobs["content"][0]["top_logprobs"]
                answers[number, scale] = {other["id"]: other["logprob"] for other in top}
    return answers


def test_an_adapter_is_converted_once(base, tmp_path):
    """And again when its file is damaged, or half of it is missing."""
    folder = save_lora(tmp_path / "adapter", base.path, seed=1)
    first = converted(folder, base, tmp_path)
    written, content = first.stat().st_mtime_ns, first.read_bytes()
    assert converted(folder, base, tmp_path) == first
    assert first.stat().st_mtime_ns == written

    first.write_bytes(content[:-1] + b"x")
    assert converted(folder, base, tmp_path).read_bytes() == content
    first.with_name(f"{first.name}.sha256").unlink()
    assert converted(folder, base, tmp_path).read_bytes() == content
    assert len(list((tmp_path / "adapters").iterdir())) == 2


def test_what_matters_to_a_conversion_names_its_file(base, tmp_path):
    """Other weights, another configuration, another base."""
    qwen = read_header(save_gguf(tmp_path / "qwen.gguf", tiny_weights(), "qwen2"))
    folders = [
        save_lora(tmp_path / name, base.path, seed=seed) for name, seed in (("a", 1), ("b", 2))
    ]
    files = {converted(folder, base, tmp_path) for folder in folders}
    files.add(converted(folders[0], qwen, tmp_path))
    files.add(
        converted(
            save_lora(folders[0], base.path, seed=1, config={"lora_alpha": 1}), base, tmp_path
        )
    )

    assert len(files) == 4


def test_rank_stabilised_scales_are_kept(base, tmp_path):
    """llama.cpp divides by the rank, so alpha is multiplied by its root."""
    plain = converted(save_lora(tmp_path / "a", base.path), base, tmp_path)
    folder = save_lora(tmp_path / "b", base.path, config={"use_rslora": True})
    stabilised = converted(folder, base, tmp_path)

    assert read_header(plain).metadata["adapter.lora.alpha"] == ALPHA
    assert read_header(stabilised).metadata["adapter.lora.alpha"] == pytest.approx(
        ALPHA * RANK**0.5
    )


@pytest.mark.parametrize(
    ("config", "named"),
    [
        pytest.param({"use_dora": True}, "use_dora", id="another method"),
        pytest.param({"bias": "all"}, "bias", id="biases"),
        pytest.param({"modules_to_save": ["lm_head"]}, "modules_to_save", id="whole modules"),
        pytest.param({"rank_pattern": {"q_proj": 4}}, "rank_pattern", id="ranks that differ"),
        pytest.param({"r": None}, "adapter_config", id="no rank"),
    ],
)
def test_what_llama_would_apply_wrongly_is_refused(base, tmp_path, config, named):
    """By name, and no file is left."""
    folder = save_lora(tmp_path / "adapter", base.path, config=config)
    with pytest.raises(ModelError, match=named):
        converted(folder, base, tmp_path)
    assert not list((tmp_path / "adapters").glob("*"))


def test_an_adapter_for_another_architecture_is_refused(tmp_path):
    """Whose weights nobody has compared."""
    other = read_header(save_gguf(tmp_path / "other.gguf", tiny_weights(), "gemma"))
    folder = save_lora(tmp_path / "adapter", other.path)
    with pytest.raises(ModelError, match="gemma"):
        converted(folder, other, tmp_path)


@pytest.mark.parametrize("shape", [{"width": 48}, {"layers": 3}], ids=["width", "layers"])
def test_an_adapter_of_another_base_is_refused(base, tmp_path, shape):
    """Its tensors do not fit, or there is nothing for them to change."""
    folder = save_lora(tmp_path / "adapter", base.path, **shape)
    with pytest.raises(ModelError, match="another base"):
        converted(folder, base, tmp_path)


def test_a_layer_that_cannot_be_adapted_is_refused(base, tmp_path):
    """Such as the vocabulary: nothing is left out in silence."""
    folder = save_lora(tmp_path / "adapter", base.path)
    weights = load_file(folder / WEIGHTS)
    weights["base_model.model.lm_head.lora_A.weight"] = np.zeros((RANK, WIDTH), np.float32)
    rewrite(folder, weights)

    with pytest.raises(ModelError, match="lm_head"):
        converted(folder, base, tmp_path)


def rewrite(folder: Path, weights: dict[str, np.ndarray]) -> None:
    """Other weights for an adapter, whose card has their checksum."""
    save_file(weights, folder / WEIGHTS)
    card = json.loads((folder / CARD).read_text())
    card["sha256"] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    (folder / CARD).write_text(json.dumps(card))


A, B = (f"base_model.model.model.layers.0.self_attn.q_proj.lora_{side}.weight" for side in "AB")


@pytest.mark.parametrize(
    ("weights", "named"),
    [
        pytest.param({}, "no tensors", id="none"),
        pytest.param({A: np.zeros((RANK, WIDTH))}, "without .*lora_B", id="no B"),
        pytest.param({B: np.zeros((WIDTH, RANK))}, "without .*lora_A", id="no A"),
        pytest.param({A: np.zeros(RANK), B: np.zeros((WIDTH, RANK))}, "lora_A", id="a vector"),
        pytest.param(
            {A: np.zeros((RANK, WIDTH)), B: np.zeros((WIDTH, 2 * RANK))}, "lora_B", id="two ranks"
        ),
        pytest.param(
            {A: np.zeros((2 * RANK, WIDTH)), B: np.zeros((WIDTH, 2 * RANK))},
            "lora_A.*adapter_config",
            id="another rank than it says",
        ),
    ],
)
def test_weights_that_are_no_pairs_of_the_rank_are_refused(base, tmp_path, weights, named):
    """By the tensor's name, and no file is left."""
    folder = save_lora(tmp_path / "adapter", base.path)
    rewrite(folder, {key: weight.astype(np.float16) for key, weight in weights.items()})

    with pytest.raises(ModelError, match=named):
        converted(folder, base, tmp_path)
    assert not list((tmp_path / "adapters").glob("*"))


def test_settings_that_are_not_there_are_neutral(base, tmp_path):
    """As PEFT reads them: its older versions wrote fewer."""
    folder = save_lora(tmp_path / "adapter", base.path)
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA}
    (folder / CONFIG).write_text(json.dumps(settings))

    assert converted(folder, base, tmp_path).is_file()
