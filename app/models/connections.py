"""The log of every connection the program made: bounded, and readable after any crash.

Each connection is two lines of `connections.jsonl`: one when it begins, one when it ends. A line is appended
as a whole, so a kill can only lose the second one. When the file has grown to `MOST_BYTES`, its older half is
folded into sums per host, so that no contact is ever forgotten.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from app.core.files import write_atomically

log = logging.getLogger(__name__)

NAME = "connections.jsonl"
MOST_BYTES = 1 << 20
_LONGEST_PATH = 500
_LOCK_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ConnectionEntry:
    """Describe one connection: when (Unix seconds), to whom, for what, and how it ended.

    `host` has its port, `path` no query: that may hold a signature. `status` is 0 without an answer, `n_bytes`
    counts the answer's body; both are 0 while it is not `finished`.
    """

    at: float
    method: str
    host: str
    path: str
    status: int = 0
    n_bytes: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class HostTotal:
    """Add up the connections to one host that are no longer listed one by one."""

    host: str
    count: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class ConnectionList:
    """Hold what is known of all connections, newest first; `earlier` are sums over still older ones."""

    entries: tuple[ConnectionEntry, ...]
    earlier: tuple[HostTotal, ...]


class ConnectionLog:
    """Append to the log in one folder; safe from any thread and from several programs."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path = folder / NAME
        self._most_bytes = most_bytes
        self._lock = threading.Lock()  # the file's lock is polled, which would slow threads down

    def begin(self, method: str, url: str) -> str:
        """Note that a connection is about to be made and return its key for `end`."""
        key = secrets.token_hex(6)
        address = urlsplit(url)
        port = address.port or {"http": 80, "https": 443}.get(address.scheme, 0)
        host = f"{address.hostname or ''}:{port}"
        entry = ConnectionEntry(round(time.time(), 3), method, host, address.path[:_LONGEST_PATH])
        self._append({"key": key} | asdict(entry))
        return key

    def end(self, key: str, status: int, n_bytes: int) -> None:
        """Note how the connection `key` ended."""
        self._append({"key": key, "status": status, "n_bytes": n_bytes})

    def _append(self, line: dict[str, Any]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, FileLock(self._path.with_name(f".{NAME}.lock"), timeout=_LOCK_TIMEOUT_S):
                with self._path.open("ab") as stream:
                    # The break comes first too, so that a torn line of a crash spoils no other.
                    stream.write(b"\n" + json.dumps(line).encode() + b"\n")
                    size = stream.tell()
                if size > self._most_bytes:
                    _fold(self._path)
        except (OSError, Timeout):  # a download must not fail because of its log
            log.info("a connection could not be noted in %s", self._path, exc_info=True)


class _Kept:
    """Remember which log connections are noted in: none until the composition root says so."""

    log: ConnectionLog | None = None


def keep_connections(folder: Path) -> None:
    """Note every connection of this process in `folder` from now on."""
    _Kept.log = ConnectionLog(folder)


def connection_log() -> ConnectionLog | None:
    """Return the log of this process, None where none is kept."""
    return _Kept.log


def list_connections(folder: Path) -> ConnectionList:
    """Return every connection noted in `folder`; what can't be read counts as nothing."""
    entries, totals = _read(folder / NAME)
    newest = sorted(entries.values(), key=lambda entry: entry.at, reverse=True)
    return ConnectionList(tuple(newest), tuple(sorted(totals.values(), key=lambda total: total.host)))


def _read(path: Path) -> tuple[dict[str, ConnectionEntry], dict[str, HostTotal]]:
    entries: dict[str, ConnectionEntry] = {}
    totals: dict[str, HostTotal] = {}
    for raw in _lines(path):
        try:
            if "count" in raw:
                totals[str(raw["host"])] = HostTotal(str(raw["host"]), int(raw["count"]), int(raw["n_bytes"]))
            elif "at" in raw:
                entries[str(raw["key"])] = _entry(raw)
            elif (begun := entries.get(str(raw["key"]))) is not None:
                ending = int(raw["status"]), int(raw["n_bytes"])
                entries[str(raw["key"])] = replace(begun, status=ending[0], n_bytes=ending[1], finished=True)
        except (KeyError, TypeError, ValueError):
            log.info("a line of %s can't be used", path)
    return entries, totals


def _entry(raw: dict[str, Any]) -> ConnectionEntry:
    return ConnectionEntry(
        at=float(raw["at"]),
        method=str(raw["method"]),
        host=str(raw["host"]),
        path=str(raw["path"]),
        status=int(raw["status"]),
        n_bytes=int(raw["n_bytes"]),
        finished=bool(raw["finished"]),
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError:
        log.info("%s can't be read", path, exc_info=True)
        return
    for line in content.split(b"\n"):
        try:
            raw = json.loads(line) if line else None
        except ValueError:  # torn by a crash
            continue
        if isinstance(raw, dict):
            yield raw


def _fold(path: Path) -> None:
    """Replace the older half of the entries by sums. Raises OSError."""
    entries, totals = _read(path)
    keys = list(entries)
    older = keys[: -(-len(keys) // 2)]
    for key in older:
        entry = entries.pop(key)
        known = totals.get(entry.host, HostTotal(entry.host, 0, 0))
        totals[entry.host] = HostTotal(entry.host, known.count + 1, known.n_bytes + entry.n_bytes)
    lines: list[dict[str, Any]] = [asdict(total) for total in totals.values()]
    lines += [{"key": key} | asdict(entry) for key, entry in entries.items()]
    write_atomically(path, "".join(json.dumps(line) + "\n" for line in lines).encode())
