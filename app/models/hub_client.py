"""The one HTTP client of the program: huggingface-hub's, which notes its connections and keeps to rules.

Proxies and certificates come from the environment (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import httpx2
from huggingface_hub import constants, set_client_factory
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # public, without __all__

from app.core.errors import DownloadInterrupted, NoNetwork
from app.models.connections import ConnectionLog, connection_log

_READ_BYTES = 256 << 10

_endpoint: ContextVar[str] = ContextVar("endpoint", default="")


def open_session() -> httpx2.Client:
    """Return the client that huggingface-hub uses too. Raises NoNetwork when its proxy can't be used."""
    _use_noting_client()
    try:
        client: httpx2.Client = get_session()
    except (ImportError, ValueError) as error:  # SOCKS, or what is no address
        raise NoNetwork(
            "The proxy that the environment names can't be used: it must be an http or https address. "
            "Correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY and start again."
        ) from error
    return client


@cache
def _use_noting_client() -> None:
    set_client_factory(_make_client)


@contextmanager
def talking_to(endpoint: str) -> Iterator[None]:
    """Refuse every request of this thread that would be less protected than `endpoint` is.

    Raises DownloadInterrupted, also in the middle of redirects.
    """
    token = _endpoint.set(endpoint)
    try:
        yield
    finally:
        _endpoint.reset(token)


def check_address(url: str, endpoint: str) -> None:
    """Refuse an address that is less protected than the Hub's own. Raises DownloadInterrupted."""
    schemes = {"https"} if urlsplit(endpoint).scheme == "https" else {"http", "https"}
    if urlsplit(url).scheme not in schemes:
        raise DownloadInterrupted(
            "The server wants to send the file over an unprotected connection, which is refused. "
            "Try again from another network or choose another download."
        )


def _make_client() -> httpx2.Client:
    # With the usual 64 KiB a fast connection spends more time between the pieces than on them.
    httpcore2.HTTP11Connection.READ_NUM_BYTES = _READ_BYTES
    hooks: dict[str, list[Callable[..., Any]]] = {"request": [_check, _note_begin], "response": [_note_end]}
    # Without a limit of time of its own: each request brings one.
    return httpx2.Client(event_hooks=hooks, follow_redirects=True, timeout=None)


def _check(request: httpx2.Request) -> None:
    if constants.is_offline_mode():
        raise OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
    endpoint = _endpoint.get()
    if endpoint.startswith(("http:", "https:")):  # the client itself refuses others
        check_address(str(request.url), endpoint)


def _note_begin(request: httpx2.Request) -> None:
    if (connections := connection_log()) is not None:
        request.extensions["noted"] = connections, connections.begin(request.method, str(request.url))


def _note_end(response: httpx2.Response) -> None:
    noted = response.request.extensions.get("noted")
    if noted is not None and isinstance(response.stream, httpx2.SyncByteStream):
        response.stream = _CountedStream(response.stream, response.status_code, *noted)


class _CountedStream(httpx2.SyncByteStream):
    """Pass a body on and note how long it was once it is closed."""

    def __init__(self, stream: httpx2.SyncByteStream, status: int, connections: ConnectionLog, key: str) -> None:
        self._stream, self._status, self._connections, self._key = stream, status, connections, key
        self._n_bytes = 0
        self._noted = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            self._n_bytes += len(piece)
            yield piece

    def close(self) -> None:
        """Close the body."""
        self._stream.close()
        if not self._noted:
            self._noted = True
            self._connections.end(self._key, self._status, self._n_bytes)
