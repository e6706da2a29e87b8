"""The shape of the code: which way imports point, what an import costs, and how long things get."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("gateway", "router", "deployments", "lab", "cli", "loadtests")
MAX_FILE_LINES, MAX_TEST_FILE_LINES, MAX_FUNCTION_LINES = 500, 500, 40

LONGER_FILES: dict[str, str] = {}
"""Files over their budget, each with the reason."""

LONGER_FUNCTIONS: dict[str, str] = {}
"""Functions over theirs, as `path:name`, each with the reason."""


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function's `path:name` and its length in lines, docstring and signature included."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{shown(path)}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def imported(path: Path) -> set[str]:
    """The modules that a file imports anywhere; of `from a import b` both `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_import_contracts_hold() -> None:
    """import-linter finds every contract of pyproject.toml kept."""
    pytest.importorskip("importlinter")
    code = "from importlinter.cli import lint_imports_command as run; run()"

    done = run_python(code, "--no-cache", "--no-logo")

    assert done.returncode == 0, done.stdout
    assert ", 0 broken." in done.stdout


def test_of_the_deployments_the_router_imports_the_protocol_alone() -> None:
    """No file of the router imports any other module of `deployments`, listed or not."""
    allowed = "deployments.protocol"
    foreign = {
        (shown(path), name)
        for path in sources("router")
        for name in imported(path)
        if name.split(".")[0] == "deployments" and not f"{name}.".startswith(f"{allowed}.")
    }
    # `from deployments import protocol` shows up as the bare package too
    assert foreign == set()


@pytest.mark.parametrize(
    ("folder", "known"),
    [
        ("router/grading", ("router.grading",)),
        ("router/selection", ("router.selection", "router.config", "router.errors")),
    ],
    ids=["grading", "selection"],
)
def test_the_leaves_of_the_router_know_nothing_above_them(
    folder: str, known: tuple[str, ...]
) -> None:
    """Graders import nothing else of the project, the selection its settings and errors alone."""
    foreign = {
        (shown(path), name)
        for path in sources(folder)
        for name in imported(path)
        if name.split(".")[0] in PACKAGES and not name.startswith(known)
    }
    assert foreign == set()


def test_no_module_of_the_router_loads_a_server_and_only_those_for_torch_load_it() -> None:
    """All modules of the router together, whatever they are, bring neither Ray nor a server; and
    torch comes with the encoder for GPUs alone."""
    names = [
        shown(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for path in sources("router")
        if path.name != "torch_encoder.py"
    ]
    absent = ("ray", "starlette", "fastapi", "httpx", "prometheus_client", "torch", "transformers")
    code = f"import sys, {', '.join(names)}; print(sorted(set({absent!r}) & set(sys.modules)))"

    done = run_python(code)

    assert (done.stdout.strip(), done.stderr) == ("[]", "")
    assert "router.policy" in names


@pytest.mark.parametrize(
    "package", [shown(path) for path in sources(*PACKAGES) if path.name == "__init__.py"]
)
def test_a_package_is_a_docstring_only(package: str) -> None:
    """Importing a package runs nothing: its `__init__.py` holds a docstring."""
    module = tree(ROOT / package)

    assert ast.get_docstring(module)
    assert len(module.body) == 1


def test_every_module_says_first_what_it_provides() -> None:
    """No module is without a docstring."""
    assert [shown(path) for path in sources(*PACKAGES) if not ast.get_docstring(tree(path))] == []


def test_every_folder_of_tests_is_a_package() -> None:
    """Without an `__init__.py` at every level, a test folder would shadow the package it mirrors.

    So does a helper beside the tests, hence all folders with Python files.
    """
    folders = {path.parent for path in sources("tests")}

    assert [shown(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_files_are_within_their_budget() -> None:
    """No file is longer than its budget, but for those that say why."""
    budgets = {path: MAX_FILE_LINES for path in sources(*PACKAGES)}
    budgets |= {path: MAX_TEST_FILE_LINES for path in sources("tests")}
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in budgets}

    over = {shown(path): lines for path, lines in lengths.items() if lines > budgets[path]}

    assert {path: lines for path, lines in over.items() if path not in LONGER_FILES} == {}


def test_functions_are_within_their_budget() -> None:
    """No function outside the tests is longer than its budget, but for those that say why."""
    lengths = dict(found for path in sources(*PACKAGES) for found in functions(path))

    over = {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES}

    assert {name: lines for name, lines in over.items() if name not in LONGER_FUNCTIONS} == {}
