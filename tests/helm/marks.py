"""When a test of the chart cannot run, it says so."""

import pytest

from tests.helm.schemas import HAS_CRDS, HOW_TO_GET_CRDS
from tests.helm.tools import HOW_TO_GET, helms

needs_helm = pytest.mark.skipif(not helms(), reason=HOW_TO_GET)
needs_crds = pytest.mark.skipif(not HAS_CRDS, reason=HOW_TO_GET_CRDS)
