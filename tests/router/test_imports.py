"""What importing the router brings along, seen from a fresh interpreter."""

import subprocess
import sys

import pytest

SERVERS = ("ray", "starlette", "fastapi", "prometheus_client", "httpx")
HEAVY = ("torch", "transformers", "onnx")
RUNTIME = ("onnxruntime", "tokenizers")


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("router", (*SERVERS, *HEAVY, *RUNTIME, "numpy")),
        ("router.types", (*SERVERS, *HEAVY, *RUNTIME, "numpy")),
        ("router.policy", (*SERVERS, *HEAVY, *RUNTIME, "numpy")),
        ("router.dispatch", (*SERVERS, *HEAVY, *RUNTIME, "numpy")),
        ("router.artifact", (*SERVERS, *HEAVY, *RUNTIME, "sklearn")),
        ("lab.routing.train", (*SERVERS, *HEAVY, *RUNTIME)),
        ("router.encoders.encoder", (*SERVERS, *HEAVY, "sklearn")),
        ("router.encoders.torch_encoder", SERVERS),
    ],
)
def test_import_loads_neither_servers_nor_more_than_it_needs(module, absent):
    """Importing a module of the router leaves these libraries alone."""
    code = f"import sys, {module}; print(sorted(set({absent!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
