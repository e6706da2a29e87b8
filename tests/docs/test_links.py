"""`tests.docs.links`: what the documents point at exists, and what does not is found."""

from pathlib import Path

import pytest

from tests.docs.links import broken, markdown_files

ROOT = Path(__file__).parent.parent.parent


def _broken(root: Path, text: str, name: str = "page.md") -> list[str]:
    """What is broken in a page of a small repository."""
    (root / "gateway").mkdir(exist_ok=True)
    (root / "gateway" / "app.py").write_text("def build_app(): ...\n")
    (root / "lab").mkdir(exist_ok=True)
    (root / "lab" / "tool.py").write_text("def main(): ...\n")
    (root / "other.md").write_text("# Title\n\n## One `word` more\n\n## Twice\n\n## Twice\n")
    (root / name).write_text(text)
    return list(broken(root, [root / name]))


def test_every_document_is_whole():
    """No Markdown file of the repository points at something that is not there."""
    assert list(broken(ROOT, markdown_files(ROOT))) == []


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        pytest.param("[a](gone.md)", "gone.md", id="file"),
        pytest.param("![a](gone.png)", "gone.png", id="image"),
        pytest.param('<img src="gone.png" alt="">', "gone.png", id="image-element"),
        pytest.param("[a][1]\n\n[1]: gone.md", "gone.md", id="definition"),
        pytest.param("[a](other.md#gone)", "other.md#gone", id="anchor"),
        pytest.param("# Here\n\n[a](#there)", "#there", id="own-anchor"),
        pytest.param("[a](other.md#twice-2)", "other.md#twice-2", id="third-of-two-headings"),
        pytest.param("[a](../other.md)", "../other.md", id="outside"),
        pytest.param("`gateway/gone.py`", "gateway/gone.py", id="path"),
        pytest.param("`gateway/gone/`", "gateway/gone/", id="folder"),
        pytest.param("```console\n$ python -m lab.gone\n```", "lab.gone", id="command"),
        pytest.param("`lab.gone`", "lab.gone", id="module"),
        pytest.param("`lab.tool.gone`", "lab.tool.gone", id="name-in-module"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, text, lost):
    """A broken link, anchor, path or module is one finding that names it."""
    [line] = _broken(tmp_path, text)

    assert lost in line


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[a](other.md) [b](other.md#title) [c](gateway)", id="links"),
        pytest.param("[a](other.md#one-word-more)", id="anchor-of-a-heading-with-code"),
        pytest.param("[a](other.md#twice) [b](other.md#twice-1)", id="heading-twice"),
        pytest.param("[a](https://example.org/gone.md)", id="elsewhere"),
        pytest.param("```\n[a](gone.md) `gateway/gone.py`\n```", id="fence"),
        pytest.param("`[a](gone.md)`", id="code-span"),
        pytest.param("`gateway/app.py` and `python -m lab.tool`", id="paths"),
        pytest.param("`gateway/NAME.py` `gateway/*.py` `gateway/{a,b}.py`", id="placeholders"),
        pytest.param("`router/classifier` `gateway.port`", id="no-file-names"),
        pytest.param("`lab.tool.main`", id="name-in-module"),
    ],
)
def test_what_is_there_is_no_finding(tmp_path, text):
    """Whole links pass, and so does what only looks like one."""
    assert _broken(tmp_path, text) == []


def test_the_changelog_may_name_what_is_gone(tmp_path):
    """Its links must work; the paths that it names need not exist any more."""
    assert _broken(tmp_path, "`gateway/gone.py` `lab.gone`", name="CHANGELOG.md") == []
    assert _broken(tmp_path, "[a](gone.md)", name="CHANGELOG.md") != []
