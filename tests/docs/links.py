"""What the Markdown files point at exists: `python -m tests.docs.links`, a part of `make check`.

Checked are relative links with their anchors, paths in backticks that look like files of the
repository (`gateway/app.py`), and modules (`python -m lab.NAME`, `cli.NAME` in backticks). Nothing
is fetched from the network.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("gateway", "router", "deployments", "lab", "cli", "loadtests", "tests")
FOLDERS = (*PACKAGES, "helm", "docs", "examples", ".ci")
HISTORY = ("CHANGELOG.md", "report.md")  # they name what was there at their time

_FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
_ELEMENT = re.compile(r"<(?:a|img)\s[^>]*?(?:href|src)=\"([^\"]+)\"")
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$", re.MULTILINE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\b[A-Z][A-Z_]+\b(?!\.md)|[*{}<>$ ]|\.\.\.")
_PATH = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[^\s:#]*")
_MODULE = re.compile(rf"python -m ((?:{'|'.join(PACKAGES)})[\w.]*)")
_DOTTED = re.compile(r"(?:deployments|lab|cli|loadtests)(?:\.[A-Za-z_]\w*)+")


def broken(root: Path, files: list[Path]) -> Iterator[str]:
    """A line for everything in these files that is not there."""
    for file in files:
        text = file.read_text(encoding="utf-8")
        name = file.relative_to(root)
        for target in _targets(text):
            if not _reached(root, file, target):
                yield f"{name}: no {target}"
        if file.name not in HISTORY:
            yield from (f"{name}: no `{path}`" for path in _lost_paths(root, text))
            yield from (f"{name}: no module {module}" for module in _lost_modules(root, text))


def _targets(text: str) -> Iterator[str]:
    """The links that stay inside the repository."""
    prose = _SPAN.sub("", _FENCE.sub("", text))
    for pattern in (_LINK, _DEFINITION, _ELEMENT):
        yield from (found for found in pattern.findall(prose) if not _SCHEME.match(found))


def _reached(root: Path, file: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    place = (file.parent / path).resolve() if path else file
    if not place.is_relative_to(root.resolve()) or not place.exists():
        return False
    return not anchor or place.suffix != ".md" or anchor in _anchors(place)


def _anchors(file: Path) -> set[str]:
    """The headings of a file as GitHub names them."""
    found: dict[str, int] = {}
    anchors = set()
    for heading in _HEADING.findall(_FENCE.sub("", file.read_text(encoding="utf-8"))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        again = found.get(slug, 0)
        anchors.add(f"{slug}-{again}" if again else slug)
        found[slug] = again + 1
    return anchors


def _lost_paths(root: Path, text: str) -> Iterator[str]:
    for _, span in _SPAN.findall(_FENCE.sub("", text)):
        path = span.strip()
        named = _PATH.fullmatch(path) and ("." in path.rpartition("/")[2] or path.endswith("/"))
        if named and not _PLACEHOLDER.search(path) and not (root / path).exists():
            yield path


def _lost_modules(root: Path, text: str) -> Iterator[str]:
    for module in _MODULE.findall(text):
        place = root / module.replace(".", "/")
        if not place.with_suffix(".py").exists() and not (place / "__main__.py").exists():
            yield module
    for _, span in _SPAN.findall(_FENCE.sub("", text)):
        if _DOTTED.fullmatch(span) and not _PLACEHOLDER.search(span) and not _found(root, span):
            yield span


def _found(root: Path, dotted: str) -> bool:
    """Whether it is a module or package, or a name within a module."""
    place = root / dotted.replace(".", "/")
    if place.is_dir() or place.with_suffix(".py").exists():
        return True
    module = place.parent.with_suffix(".py")
    return module.exists() and place.name in module.read_text(encoding="utf-8")


def markdown_files(root: Path) -> list[Path]:
    """All Markdown files of the repository, new ones included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return [root / name for name in names.splitlines() if (root / name).exists()]


def main() -> int:
    """Prints what is broken; 1 if anything is."""
    root = Path.cwd()
    lines = list(broken(root, markdown_files(root)))
    print("\n".join(lines) or "links: all found")  # noqa: T201 - a command
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
