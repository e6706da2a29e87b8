"""What importing the router brings along, seen from a fresh interpreter."""

import subprocess
import sys

import pytest

SERVERS = ("ray", "starlette", "fastapi", "prometheus_client", "httpx")
HEAVY = ("torch", "transformers")


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("router", (*SERVERS, *HEAVY)),
        ("router.types", (*SERVERS, *HEAVY, "numpy")),
        ("router.policy", (*SERVERS, *HEAVY, "numpy")),
        ("router.dispatch", (*SERVERS, *HEAVY, "numpy")),
        ("router.router", (*SERVERS, *HEAVY, "sklearn")),
        ("router.artifact", (*SERVERS, *HEAVY, "sklearn")),
        ("router.train", (*SERVERS, *HEAVY)),
        ("router.encoder", SERVERS),
    ],
)
def test_import_loads_neither_servers_nor_more_than_it_needs(module, absent):
    """Importing a module of the router leaves these libraries alone."""
    if module == "router.encoder":
        pytest.importorskip("transformers")
    code = f"import sys, {module}; print(sorted(set({absent!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
