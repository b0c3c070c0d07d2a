"""What Solo remembers of model files wherever they lie: when each was used, and which were found whole.

The memory is a file of Solo's own, because nothing is written beside files of other programs.
"""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.core.files import write_atomically

log = logging.getLogger(__name__)

_MOST_ENTRIES = 2000
_MOST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class _Entry:
    """Hold what is known of one file; size and time of change as they were when it was found whole."""

    last_used: str = ""
    size: int = -1
    changed_ns: int = -1


class Ledger:
    """Remember uses and checks in one JSON file; safe from any thread of this program."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries = _read(path)

    def note_use(self, model: Path) -> None:
        """Remember that `model` was used now. Raises OSError."""
        self._change(model, last_used=datetime.now(UTC).isoformat(timespec="seconds"))

    def note_whole(self, path: Path) -> None:
        """Remember that `path`, as it is now, was found whole. Raises OSError."""
        status = path.stat()
        self._change(path, size=status.st_size, changed_ns=status.st_mtime_ns)

    def forget(self, path: Path) -> None:
        """Remember nothing of `path` any more. Raises OSError."""
        with self._lock:
            if self._entries.pop(_key(path), None) is not None:
                self._write()

    def last_used(self, model: Path) -> datetime | None:
        """Return when `model` was used last, in UTC."""
        with self._lock:
            entry = self._entries.get(_key(model), _Entry())
        return _parse(entry.last_used)

    def is_whole(self, path: Path) -> bool:
        """Say whether `path` was found whole and has not changed since."""
        with self._lock:
            entry = self._entries.get(_key(path), _Entry())
        try:
            status = path.stat()
        except OSError:  # not there, so not whole
            return False
        return (entry.size, entry.changed_ns) == (status.st_size, status.st_mtime_ns)

    def _change(self, path: Path, **changes: Any) -> None:
        with self._lock:
            key = _key(path)
            self._entries[key] = replace(self._entries.pop(key, _Entry()), **changes)
            while len(self._entries) > _MOST_ENTRIES:
                del self._entries[next(iter(self._entries))]
            self._write()

    def _write(self) -> None:
        raw = {path: asdict(entry) for path, entry in self._entries.items()}
        # ASCII only: a path that is not valid Unicode has lone surrogates, which UTF-8 does not know.
        write_atomically(self._path, json.dumps(raw, indent=1).encode("ascii"))


def _key(path: Path) -> str:
    return str(path.absolute())


def _read(path: Path) -> dict[str, _Entry]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("too large")
        raw = json.loads(path.read_bytes())
        return {str(key): _entry(value) for key, value in raw.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        log.info("%s can't be used; uses and checks are remembered anew", path, exc_info=True)
        return {}


def _entry(raw: dict[str, Any]) -> _Entry:
    return _Entry(str(raw["last_used"]), int(raw["size"]), int(raw["changed_ns"])) if len(raw) == 3 else _Entry()


def _parse(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
