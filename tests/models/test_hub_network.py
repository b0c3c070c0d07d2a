"""Certificates, proxies, tokens and offline mode, as a person's environment sets them: in real child processes."""

from __future__ import annotations

import os
import select
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from huggingface_hub import close_session

from app.core.errors import DownloadInterrupted
from app.models.hub import Hub
from tests.hub_server.bench import REPOSITORY, content_of
from tests.hub_server.faults import Fault, Kind, Where
from tests.hub_server.server import HubServer, Repository

ROOT = Path(__file__).resolve().parents[2]
CONTENT = content_of(200_000)
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made by openssl")

# Prints the sentence of what went wrong, then every address that the process connected to.
CHILD = f"""
import sys, threading
from pathlib import Path
contacted = []
sys.addaudithook(lambda name, args: contacted.append(args[1]) if name == "socket.connect" else None)
from app.core.errors import AppError
from app.models.download import download_files
from app.models.download_stream import Tuning
from app.models.hub import Hub
hub = Hub()
tuning = Tuning(attempts=1, first_pause_s=0.01, spare_bytes=0)
try:
    download_files(hub.list_files({REPOSITORY!r}), Path(sys.argv[1]), on_progress=lambda p: None,
                   cancel=threading.Event(), hub=hub, tuning=tuning)
except AppError as error:
    print(type(error).__name__, error)
else:
    print("whole")
for address in contacted:
    print("contacted", address[1] if isinstance(address, tuple) else address)
"""


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer() as served:
        served.repositories[REPOSITORY] = Repository({"model.gguf": CONTENT})
        yield served
        close_session()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that nobody knows, and a certificate for 127.0.0.1 signed by it."""
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"]
    commands = [
        ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=throw-away"],
        ["req", *key[:3], "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=127.0.0.1"],
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -extfile names".split(),
    ]
    for command in commands:
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def tls_server(certificates: Path) -> Iterator[HubServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    with HubServer(tls=context) as served:
        served.repositories[REPOSITORY] = Repository({"model.gguf": CONTENT})
        yield served


def port(address: str) -> int:
    return urlsplit(address).port or 0


def run(target: Path, **variables: str) -> tuple[str, set[int]]:
    """Download in a child with these variables; return what it said and which ports it connected to."""
    environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith("HF_")}
    command = [sys.executable, "-c", CHILD, str(target)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment | variables, capture_output=True, text=True, check=True, timeout=200
    )
    said, *contacted = done.stdout.splitlines()
    return said, {int(line.split()[1]) for line in contacted}


@needs_openssl
def test_over_tls_with_an_authority_from_the_environment(
    tls_server: HubServer, certificates: Path, tmp_path: Path
) -> None:
    said, contacted = run(tmp_path, HF_ENDPOINT=tls_server.endpoint, SSL_CERT_FILE=str(certificates / "ca.pem"))
    assert said == "whole"
    assert contacted == {port(tls_server.endpoint), port(tls_server.cdn)}, "nobody else is contacted"
    assert (tmp_path / "model.gguf").read_bytes() == CONTENT


@needs_openssl
def test_a_server_that_can_not_prove_who_it_is_is_refused(tls_server: HubServer, tmp_path: Path) -> None:
    said, _ = run(tmp_path, HF_ENDPOINT=tls_server.endpoint)
    assert said.startswith("NoNetwork The identity of 127.0.0.1 can't be verified")
    assert tls_server.requests == []


@needs_openssl
@pytest.mark.parametrize("where", [Where.API, Where.RESOLVE, Where.BYTES])
def test_a_redirect_from_https_to_http_is_refused(
    tls_server: HubServer, server: HubServer, certificates: Path, tmp_path: Path, where: Where
) -> None:
    target = f"{server.cdn}/{REPOSITORY}/model.gguf" if where is not Where.API else f"{server.endpoint}/api/models/x/y"
    tls_server.script.add(Fault(Kind.ELSEWHERE, where, target=target, times=-1))
    said, contacted = run(
        tmp_path,
        HF_ENDPOINT=tls_server.endpoint,
        HF_TOKEN="hf_secret",
        SSL_CERT_FILE=str(certificates / "ca.pem"),
    )
    assert said.startswith("DownloadInterrupted The server wants to send the file over an unprotected connection")
    assert not contacted & {port(server.endpoint), port(server.cdn)}
    assert server.requests == []


def test_the_token_of_the_environment_goes_to_the_endpoint_only(server: HubServer, tmp_path: Path) -> None:
    server.repositories[REPOSITORY].token, server.repositories[REPOSITORY].gated = "hf_secret", True
    said, contacted = run(tmp_path / "without", HF_ENDPOINT=server.endpoint)
    assert "accept its licence" in said
    said, contacted = run(tmp_path / "with", HF_ENDPOINT=server.endpoint, HF_TOKEN="hf_secret")
    assert said == "whole"
    assert contacted == {port(server.endpoint), port(server.cdn)}
    assert {request.authorization for request in server.asked(Where.BYTES)} == {""}


def test_the_saved_login_is_used(server: HubServer, tmp_path: Path) -> None:
    server.repositories[REPOSITORY].token, server.repositories[REPOSITORY].gated = "hf_saved", True
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("hf_saved")
    said, _ = run(tmp_path / "models", HF_ENDPOINT=server.endpoint, HF_HOME=str(tmp_path / "hf"))
    assert said == "whole"


def test_a_token_that_is_none_is_told(server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="token has characters that no token has"):
        Hub(server.endpoint, token="line\nbreak").list_files(REPOSITORY)


def test_a_redirect_of_the_endpoint_elsewhere_gets_no_token(server: HubServer) -> None:
    listed = Hub(server.endpoint, token="hf_secret").list_files(REPOSITORY)
    with HubServer() as other:
        server.script.add(Fault(Kind.ELSEWHERE, Where.RESOLVE, target=f"{other.endpoint}/a/b/resolve/c/d"))
        location = Hub(server.endpoint, token="hf_secret").locate(listed[0])
        assert "authorization" not in location.headers
        assert other.requests == [], "asking where the bytes are does not contact others"


def test_a_redirect_of_the_endpoint_in_circles_is_told(server: HubServer) -> None:
    listed = Hub(server.endpoint).list_files(REPOSITORY)
    server.script.add(Fault(Kind.LOOP, Where.RESOLVE, times=-1))
    with pytest.raises(DownloadInterrupted, match="circles"):
        Hub(server.endpoint).locate(listed[0])


def test_offline_mode_of_the_environment_contacts_nobody(server: HubServer, tmp_path: Path) -> None:
    said, contacted = run(tmp_path, HF_ENDPOINT=server.endpoint, HF_HUB_OFFLINE="1")
    assert said.startswith("NoNetwork Nothing can be downloaded in offline mode")
    assert contacted == set()


class _Proxy(socketserver.StreamRequestHandler):
    """Forward plain requests and tunnels, and note for whom."""

    def handle(self) -> None:
        line = self.rfile.readline()
        method, target, _ = line.decode().split()
        self.server.asked.append((method, target))  # type: ignore[attr-defined]  # set by the fixture
        headers = b""
        while (header := self.rfile.readline()) not in {b"\r\n", b""}:
            headers += header
        found = urlsplit(target if method != "CONNECT" else f"//{target}")
        with socket.create_connection((found.hostname or "", found.port or 80)) as far:
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = found.path + (f"?{found.query}" if found.query else "")
                far.sendall(f"{method} {path} HTTP/1.1\r\n".encode() + headers + b"\r\n")
            self._pass_on(far)

    def _pass_on(self, far: socket.socket) -> None:
        while True:
            for ready in select.select([self.connection, far], [], [])[0]:
                content = ready.recv(1 << 16)
                if not content:
                    return
                (far if ready is self.connection else self.connection).sendall(content)


@pytest.fixture
def proxy() -> Iterator[Any]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing when somebody goes away."""

    with Server(("127.0.0.1", 0), _Proxy) as found:
        found.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
        yield found
        found.shutdown()


def test_the_proxy_of_the_environment_is_the_only_one_contacted(server: HubServer, proxy: Any, tmp_path: Path) -> None:
    said, contacted = run(
        tmp_path, HF_ENDPOINT=server.endpoint, HTTP_PROXY=f"http://127.0.0.1:{proxy.server_address[1]}", NO_PROXY=""
    )
    assert said == "whole"
    assert contacted == {proxy.server_address[1]}
    assert {urlsplit(target).port for _, target in proxy.asked} <= {port(server.endpoint), port(server.cdn)}


@needs_openssl
def test_a_proxy_tunnels_tls(tls_server: HubServer, proxy: Any, certificates: Path, tmp_path: Path) -> None:
    said, contacted = run(
        tmp_path,
        HF_ENDPOINT=tls_server.endpoint,
        HTTPS_PROXY=f"http://127.0.0.1:{proxy.server_address[1]}",
        SSL_CERT_FILE=str(certificates / "ca.pem"),
    )
    assert said == "whole"
    assert contacted == {proxy.server_address[1]}
    assert {method for method, _ in proxy.asked} == {"CONNECT"}


@pytest.mark.parametrize(
    ("address", "words"),
    [("http://127.0.0.1:9", "can't be reached"), ("socks5://127.0.0.1:9", "The proxy that the environment names")],
)
def test_a_proxy_that_does_not_work_is_told(server: HubServer, tmp_path: Path, address: str, words: str) -> None:
    said, _ = run(tmp_path, HF_ENDPOINT=server.endpoint, ALL_PROXY=address, NO_PROXY="")
    assert said.startswith("NoNetwork")
    assert words in said
    assert server.requests == []
