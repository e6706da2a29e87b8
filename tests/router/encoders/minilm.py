"""The pulled encoder, for tests of what only real weights can show."""

import os
from pathlib import Path

import pytest

from deployments.models.cache import cache_dir, model_dir


def minilm() -> tuple[Path, Path]:
    """Its directory and the cache; skips, aloud, where it was never pulled."""
    cache = cache_dir(os.environ)
    where = model_dir(cache, "all-minilm-l6-v2")
    if not where.is_dir():
        pytest.skip("the encoder is not here; run: niche models pull all-minilm-l6-v2")
    return where, cache
