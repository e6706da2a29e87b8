"""How many floating-point operations a request takes, computed from a model's `config.json`.

A multiplication and an addition are two operations. Only operations that the result needs are
counted:

- every input token (the prompt's and the answer's, except the last generated one, which is not fed
  back) passes each layer's linear weights once: 2 operations per weight;
- in each layer a token at position t attends to t tokens: 2 * head size * heads * t operations for
  the scores, and as many again for the weighted sum of values;
- the head, 2 * hidden size * vocabulary, works once for each generated token, the end of the turn
  included.

Norms, activations, rotations and the embedding look-up are left out, far below a percent. This is
the count of Kaplan et al. 2020, "Scaling laws for neural language models", section 2.1, with the
attended length and the grouped key-value heads as they are. Padding, which a batch adds, and
kernels that also compute the masked half of the attention, are not counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.models.errors import ModelError

_KNOWN = ("llama", "mistral", "qwen2", "qwen3", "smollm3")
"""Families of dense decoders with a gated feed-forward part: three matrices in each layer."""


@dataclass(frozen=True)
class Shape:
    """The sizes that the count needs."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Shape":
        """Reads the sizes of a `config.json`.

        Raises:
            ModelError: the layers of the model's family are unknown here.
        """
        family = config.get("model_type")
        if family not in _KNOWN:
            raise ModelError(
                f"cannot count the operations of a {family!r} model; known: {', '.join(_KNOWN)}"
            )
        heads, hidden = config["num_attention_heads"], config["hidden_size"]
        return cls(
            layers=config["num_hidden_layers"],
            hidden=hidden,
            intermediate=config["intermediate_size"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or hidden // heads,
            vocabulary=config["vocab_size"],
        )

    @property
    def linear_weights(self) -> int:
        """Weights of the layers' matrices; neither embedding nor head."""
        attention = self.hidden * self.head_dim * 2 * (self.heads + self.kv_heads)
        return self.layers * (attention + 3 * self.hidden * self.intermediate)


def request_flops(shape: Shape, prompt_tokens: int, generated_tokens: int) -> int:
    """Operations of one request.

    Args:
        shape: the model's.
        prompt_tokens: all are processed; nothing is cached between requests.
        generated_tokens: including the one that ends the turn, if the model generated it.
    """
    fed = prompt_tokens + max(0, generated_tokens - 1)
    attended = fed * (fed + 1) // 2
    attention = 4 * shape.layers * shape.heads * shape.head_dim * attended
    head = 2 * shape.hidden * shape.vocabulary * generated_tokens
    return 2 * shape.linear_weights * fed + attention + head
