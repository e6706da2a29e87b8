"""What needs helm: `make chart` fetches it, and without it every test here says so."""

import pytest

from tests.helm.tools import HOW_TO_GET, helms


@pytest.fixture(scope="session", autouse=True)
def _helm() -> None:
    if not helms():
        pytest.skip(HOW_TO_GET)
