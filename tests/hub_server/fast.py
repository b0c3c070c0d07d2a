"""Serve one file as fast as the system can: `python -m tests.hub_server.fast FILE` prints the endpoint.

What the Hub's protocol needs and nothing more; the bytes go from the file to the socket without passing Python.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REPOSITORY = "bench/model"
NAME = "model.gguf"
_COMMIT = "0" * 40
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    path: Path
    sha256: str

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client goes away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class names it so
        """Keep the terminal quiet."""

    def do_HEAD(self) -> None:
        self._begin(200, self.server.path.stat().st_size, {"X-Linked-ETag": f'"{self.server.sha256}"'})

    def do_GET(self) -> None:
        size = self.server.path.stat().st_size
        if self.path.startswith("/api/models/"):
            return self._list(size)
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        start, end = (int(asked[1]), min(size, int(asked[2] or size) + 1)) if asked else (0, size)
        ranged = {"Content-Range": f"bytes {start}-{end - 1}/{size}"} if asked else {}
        self._begin(206 if asked else 200, end - start, ranged)
        self.wfile.flush()
        with self.server.path.open("rb") as stream:
            while start < end:
                start += os.sendfile(self.connection.fileno(), stream.fileno(), start, end - start)
        return None

    def _list(self, size: int) -> None:
        lfs = {"size": size, "sha256": self.server.sha256, "pointerSize": 134}
        sibling = {"rfilename": NAME, "size": size, "blobId": _COMMIT, "lfs": lfs}
        body = json.dumps({"id": REPOSITORY, "sha": _COMMIT, "siblings": [sibling]}).encode()
        self._begin(200, len(body), {"Content-Type": "application/json"})
        self.wfile.write(body)

    def _begin(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(length))
        self.end_headers()


def main() -> None:
    """Serve until standard input ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.path = Path(sys.argv[1])
    with server.path.open("rb") as stream:
        server.sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
