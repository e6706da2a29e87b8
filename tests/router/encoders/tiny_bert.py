"""A BERT model of a few kilobytes, with random weights and letters for words."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from router.encoders.adapter import Adapter
from router.encoders.encoding import WEIGHTS, checksum

HIDDEN, LAYERS, POSITIONS = 32, 4, 64
WIDTH = 3 * HIDDEN


def tiny_bert(folder: Path, weights: dict[str, np.ndarray] | None = None, **config: object) -> Path:
    """Writes a model directory; `config` goes over its `config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    # As model files do: settings of their own, which must not matter.
    tokenizer.enable_truncation(12)
    tokenizer.enable_padding(length=12)
    tokenizer.save(str(folder / "tokenizer.json"))
    shape = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "intermediate_size": 4 * HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
        "vocab_size": len(names),
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps({**shape, **config}))
    if weights is None:
        positions = int(str(config.get("max_position_embeddings", POSITIONS)))
        weights = _weights(len(names), positions, np.random.default_rng(0))
    save_file(weights, folder / "model.safetensors")
    return folder


def tiny_adapter(model: Path, layers: int = 2, rank: int = 4) -> Adapter:
    """An adapter of a tiny BERT with random weights, which changes every matrix of its layers."""
    rng = np.random.default_rng(1)
    pairs = {}
    for name, matrix in load_file(model / WEIGHTS).items():
        if matrix.ndim == 2 and name.startswith(
            tuple(f"encoder.layer.{n}." for n in range(layers))
        ):
            outputs, inputs = matrix.shape
            a, b = rng.normal(0, 0.2, (rank, inputs)), rng.normal(0, 0.2, (outputs, rank))
            # Half precision, as a file has it.
            pairs[name.removesuffix(".weight")] = (
                a.astype(np.float16).astype(np.float32),
                b.astype(np.float16).astype(np.float32),
            )
    return Adapter(checksum(model / WEIGHTS), layers, 1.5, pairs)


def _weights(words: int, positions: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.2, shape).astype(np.float32)

    def norm(name: str) -> dict[str, np.ndarray]:
        return {f"{name}.weight": 1 + normal(HIDDEN), f"{name}.bias": normal(HIDDEN)}

    def dense(name: str, inputs: int, outputs: int) -> dict[str, np.ndarray]:
        return {f"{name}.weight": normal(outputs, inputs), f"{name}.bias": normal(outputs)}

    weights = {
        "embeddings.word_embeddings.weight": normal(words, HIDDEN),
        "embeddings.position_embeddings.weight": normal(positions, HIDDEN),
        "embeddings.token_type_embeddings.weight": normal(2, HIDDEN),
        **norm("embeddings.LayerNorm"),
    }
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        for part in ("query", "key", "value"):
            weights |= dense(f"{layer}.attention.self.{part}", HIDDEN, HIDDEN)
        weights |= dense(f"{layer}.attention.output.dense", HIDDEN, HIDDEN)
        weights |= norm(f"{layer}.attention.output.LayerNorm")
        weights |= dense(f"{layer}.intermediate.dense", HIDDEN, 4 * HIDDEN)
        weights |= dense(f"{layer}.output.dense", 4 * HIDDEN, HIDDEN)
        weights |= norm(f"{layer}.output.LayerNorm")
    # One channel many times larger than the others, as trained models have.
    weights["encoder.layer.1.output.LayerNorm.weight"][5] = 25
    return weights | dense("pooler.dense", HIDDEN, HIDDEN)
