"""What can be wrong with a training run before it trains. Free of torch, for the command line."""

__all__ = ["RecipeError"]


class RecipeError(ValueError):
    """Settings, examples or a checkpoint do not fit; the message names the thing and the remedy."""
