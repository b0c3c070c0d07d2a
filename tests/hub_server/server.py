"""A Hub on this computer: what huggingface-hub asks for, two origins as in reality, and faults on demand.

The API and the resolve addresses are one server, the bytes come from a second one (the "CDN").
"""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.hub_server.faults import Fault, Kind, Script, Where

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PIECE_BYTES = 16 << 10


@dataclass
class Repository:
    """Hold the files of one repository; `lfs` names those stored with a SHA-256 (all, when None)."""

    files: dict[str, bytes]
    token: str = ""
    gated: bool = False
    plain: frozenset[str] = frozenset()

    @property
    def commit(self) -> str:
        """Return a commit that changes with the content."""
        digest = hashlib.sha1(usedforsecurity=False)
        for name, content in sorted(self.files.items()):
            digest.update(name.encode(errors="replace") + hashlib.sha256(content).digest())
        return digest.hexdigest()


@dataclass(frozen=True)
class Request:
    """Hold what was asked; `sent` grows while the answer is written."""

    where: Where
    method: str
    path: str
    range: str
    authorization: str
    sent: list[int] = field(default_factory=lambda: [0])

    @property
    def start(self) -> int:
        """Return the first byte asked for."""
        found = _RANGE.fullmatch(self.range)
        return int(found[1]) if found else 0


class HubServer:
    """Serve repositories on 127.0.0.1 until closed; use as a context manager."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.repositories: dict[str, Repository] = {}
        self.script = Script()
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._servers = [_Server(("127.0.0.1", port), _HubHandler), _Server(("127.0.0.1", 0), _BytesHandler)]
        for server in self._servers:
            server.hub = self
            if tls is not None:
                server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        scheme = "https" if tls is not None else "http"
        self.endpoint = f"{scheme}://127.0.0.1:{self._servers[0].server_port}"
        self.cdn = f"{scheme}://127.0.0.1:{self._servers[1].server_port}"
        self._lock = threading.Lock()
        self._connected = 0
        self.most_connected = 0

    def __enter__(self) -> HubServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving."""
        self.stopping.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add_folder(self, repository: str, folder: Path) -> None:
        """Serve every file below `folder` as a repository."""
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        self.repositories[repository] = Repository(files)

    def asked(self, where: Where) -> list[Request]:
        """Return the requests of one kind so far."""
        return [request for request in self.requests if request.where is where]

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Count how many answers with bytes are under way at once."""
        with self._lock:
            self._connected += 1
            self.most_connected = max(self.most_connected, self._connected)
        try:
            yield
        finally:
            with self._lock:
                self._connected -= 1

    @property
    def sent_bytes(self) -> int:
        """Return how many bytes of files were written to sockets."""
        return sum(request.sent[0] for request in self.asked(Where.BYTES))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    hub: HubServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client goes away: that is what the tests do."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    where: ClassVar[Where]
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class names it so
        """Keep the terminal quiet."""

    def _note(self, where: Where) -> tuple[Request, Fault | None]:
        request = Request(
            where,
            self.command,
            unquote(self.path),
            self.headers.get("Range", ""),
            self.headers.get("Authorization", ""),
        )
        self.server.hub.requests.append(request)
        return request, self.server.hub.script.take(where)

    def _answer(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _refuse(self, status: int, code: str = "", **headers: str) -> None:
        named = {"X-Error-Code": code} if code else {}
        self._answer(status, named | headers, json.dumps({"error": code or "refused"}).encode())

    def _fail(self, fault: Fault) -> bool:
        """Answer as a fault that needs no file says; False when it is of another kind."""
        match fault.kind:
            case Kind.STATUS:
                wait = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
                self._refuse(fault.status, **wait)
            case Kind.LOOP:
                self._answer(302, {"Location": self.path})
            case Kind.ELSEWHERE:
                self._answer(302, {"Location": fault.target})
            case Kind.NONSENSE:
                self._answer(200, {"Content-Type": "text/html"}, b"<html>Please log in</html>")
            case Kind.HANG if fault.at == 0:
                self.server.hub.stopping.wait(fault.seconds or None)
                self.close_connection = True
            case Kind.CUT if fault.at == 0:
                self.close_connection = True
            case _:
                return False
        return True


class _HubHandler(_Handler):
    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        if path.startswith("/api/models/"):
            _, fault = self._note(Where.API)
            if fault is None or not self._fail(fault):
                self._api(path.removeprefix("/api/models/"), body)
            return
        _, fault = self._note(Where.RESOLVE)
        if fault is None or not self._fail(fault):
            self._resolve(path.lstrip("/"))

    def _repository(self, name: str) -> Repository | None:
        """Return a repository that may be read; otherwise the refusal is already written."""
        repository = self.server.hub.repositories.get(name)
        sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repository is None:
            self._refuse(404, "RepoNotFound")
        elif repository.token and not sent:
            self._refuse(401, "GatedRepo" if repository.gated else "RepoNotFound")
        elif repository.token and sent != repository.token:
            self._refuse(403, "GatedRepo" if repository.gated else "")
        else:
            return repository
        return None

    def _api(self, rest: str, body: str) -> None:
        parts = rest.split("/")
        name = "/".join(parts[:2])
        repository = self._repository(name)
        if repository is None:
            return
        if parts[2:3] == ["paths-info"]:
            wanted = parse_qs(body).get("paths", [])
            found: Any = [_path_info(n, c) for n, c in repository.files.items() if n in wanted]
        else:
            siblings = [_sibling(n, c, n in repository.plain) for n, c in repository.files.items()]
            found = {"id": name, "sha": repository.commit, "siblings": siblings}
        self._answer(200, {"Content-Type": "application/json"}, json.dumps(found).encode())

    def _resolve(self, path: str) -> None:
        parts = path.split("/")
        if len(parts) < 5 or parts[2] != "resolve":
            return self._refuse(404, "EntryNotFound")
        repository = self._repository("/".join(parts[:2]))
        if repository is None:
            return None
        name = "/".join(parts[4:])
        content = repository.files.get(name)
        if content is None:
            return self._refuse(404, "EntryNotFound")
        sha = hashlib.sha256(content).hexdigest()
        headers = {
            "Location": f"{self.server.hub.cdn}/{'/'.join(parts[:2])}/{quote(name)}",
            "ETag": f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"',
            "X-Linked-ETag": f'"{sha}"',
            "X-Linked-Size": str(len(content)),
            "X-Repo-Commit": repository.commit,
        }
        return self._answer(302, headers)


class _BytesHandler(_Handler):
    def do_GET(self) -> None:
        request, fault = self._note(Where.BYTES)
        with self.server.hub.serving():
            self._serve_bytes(request, fault)

    def _serve_bytes(self, request: Request, fault: Fault | None) -> None:
        if fault is not None and self._fail(fault):
            return
        owner, name, file = urlsplit(request.path).path.lstrip("/").split("/", 2)
        content = self.server.hub.repositories[f"{owner}/{name}"].files[file]
        self._send_file(request, fault, content)

    def _send_file(self, request: Request, fault: Fault | None, content: bytes) -> None:
        kind = fault.kind if fault is not None else None
        etag = f'"{zlib.crc32(content[: 1 << 20])}-{len(content)}"'
        if fault is not None and kind is Kind.WRONG_BYTE and fault.at < len(content):
            content = content[: fault.at] + bytes([content[fault.at] ^ 1]) + content[fault.at + 1 :]
        if kind is Kind.WRONG_LENGTH:
            content += b"more"
        found = _RANGE.fullmatch(request.range)
        start, end = 0, len(content)
        if found is not None and kind is not Kind.IGNORE_RANGE:
            start = int(found[1]) + (1 if kind is Kind.WRONG_RANGE else 0)
            end = min(end, int(found[2]) + 1) if found[2] else end
            if start >= end:
                return self._refuse(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", etag)
        self.end_headers()
        return self._send(request, fault, memoryview(content)[start:end])

    def _send(self, request: Request, fault: Fault | None, content: memoryview) -> None:
        drips = fault is not None and fault.kind is Kind.DRIP
        piece_bytes = fault.at if fault is not None and drips else _PIECE_BYTES
        limit = len(content)
        if fault is not None and fault.kind in {Kind.CUT, Kind.HANG}:
            limit = min(limit, fault.at)
        for offset in range(0, limit, piece_bytes):
            piece = content[offset : min(limit, offset + piece_bytes)]
            self.wfile.write(piece)
            request.sent[0] += len(piece)
            if fault is not None and drips and self.server.hub.stopping.wait(fault.seconds):
                break
        if limit < len(content):
            self.close_connection = True
            if fault is not None and fault.kind is Kind.HANG:
                self.server.hub.stopping.wait(fault.seconds or None)


def _sibling(name: str, content: bytes, plain: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": "0" * 40}
    if not plain:
        sha = hashlib.sha256(content).hexdigest()
        found["lfs"] = {"size": len(content), "sha256": sha, "pointerSize": 134}
    return found


def _path_info(name: str, content: bytes) -> dict[str, Any]:
    sha = hashlib.sha256(content).hexdigest()
    lfs = {"size": len(content), "oid": sha, "pointerSize": 134}
    return {"type": "file", "path": name, "size": len(content), "oid": "0" * 40, "lfs": lfs}
