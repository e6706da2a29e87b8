"""What importing the router brings along, seen from a fresh interpreter."""

import subprocess
import sys

import pytest

SERVERS = ("ray", "starlette", "fastapi", "prometheus_client", "httpx")
HEAVY = ("torch", "transformers", "onnx")
RUNTIME = ("onnxruntime", "tokenizers")


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        pytest.param(
            ("router", "router.types", "router.policy", "router.dispatch"),
            (*SERVERS, *HEAVY, *RUNTIME, "numpy"),
            id="decisions",
        ),
        pytest.param(("router.artifact",), (*SERVERS, *HEAVY, *RUNTIME, "sklearn"), id="artifact"),
        pytest.param(("lab.routing.train",), (*SERVERS, *HEAVY, *RUNTIME), id="training"),
        pytest.param(
            ("router.encoders.encoder",), (*SERVERS, *HEAVY, "sklearn"), id="encoder for CPUs"
        ),
        pytest.param(("router.encoders.torch_encoder",), SERVERS, id="encoder for GPUs"),
    ],
)
def test_import_loads_neither_servers_nor_more_than_it_needs(modules, absent):
    """Importing modules of the router leaves these libraries alone."""
    code = f"import sys, {', '.join(modules)}; print(sorted(set({absent!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
