"""References that may be paths: those that can be none are errors that name them."""

from pathlib import Path

import pytest

from deployments.models.adapters import learned_calls, load_adapter
from deployments.models.errors import ModelError
from deployments.models.local_path import local_path
from deployments.models.resolve import resolve
from deployments.models.resolve_gguf import resolve_gguf

IMPOSSIBLE = pytest.mark.parametrize(
    "reference", ["~nosuchuserx/tiny", "n" * 300], ids=["nobody's home", "too long"]
)


def test_a_path_may_lead_nowhere(tmp_path):
    """Who asks for it looks whether something is there; a home is that of its user."""
    assert local_path(str(tmp_path / "gone")) == tmp_path / "gone"
    assert local_path("~/tiny") == Path.home() / "tiny"


@IMPOSSIBLE
def test_what_can_be_no_path_is_named(reference, tmp_path):
    """As a model, as a GGUF file, and as an adapter."""
    finds = [
        lambda: resolve(reference, tmp_path, lock={}),
        lambda: resolve_gguf(reference, tmp_path, lock={}),
        lambda: load_adapter(reference),
    ]
    for find in finds:
        with pytest.raises(ModelError, match=reference):
            find()


@IMPOSSIBLE
def test_an_adapter_at_no_path_has_learned_no_calls(reference):
    """Whoever loads it says what is wrong."""
    assert learned_calls(reference) is None
