"""Each constraints file pins what the distribution needs, within the ranges of pyproject.toml."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
FILES = ("constraints.txt", "constraints-vllm.txt")
NOT_PINNED = {"torch", "vllm"}
"""Installed by name, with their version, before the rest."""


def requirements(*extras: str) -> list[Requirement]:
    """Those of the distribution and of some of its extras that hold on this machine."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"]]
    for extra in extras:
        named += project["optional-dependencies"][extra]
    found = [Requirement(line) for line in named]
    return [each for each in found if each.marker is None or each.marker.evaluate()]


def pins(file: str) -> dict[str, str]:
    """The versions of a constraints file."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    pinned = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pinned}


@pytest.mark.parametrize("file", FILES)
def test_every_dependency_is_pinned_within_its_range(file: str) -> None:
    """So that an environment of today is the one that was tested."""
    pinned = pins(file)
    every = requirements("tracing", "redis", "load", "dev")
    needed = [each for each in every if each.name not in NOT_PINNED]

    unpinned = [each.name for each in needed if canonicalize_name(each.name) not in pinned]
    outside = [
        f"{each} is pinned to {pinned[canonicalize_name(each.name)]}"
        for each in needed
        if canonicalize_name(each.name) in pinned
        and not each.specifier.contains(pinned[canonicalize_name(each.name)], prereleases=True)
    ]
    assert (unpinned, outside) == ([], [])
