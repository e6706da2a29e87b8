"""Three sets of values render what was read and found right."""

import pytest

from tests.helm.goldens import GOLDEN, SETS, golden
from tests.helm.marks import needs_helm

pytestmark = needs_helm


@pytest.mark.parametrize("values", SETS)
def test_the_rendered_objects_are_those_that_were_read(values):
    """Nothing changed unseen; `python -m tests.helm.goldens` takes a change over."""
    assert golden(values) == (GOLDEN / f"{values}.yaml").read_text(encoding="utf-8")
