"""The folder of saved states: what a model has read of recent chats, one file per chat, side and model."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

_SUFFIX = ".state"
_BEING_READ = ".reading"
_ABANDONED_AFTER_S = 600.0


class StateFolder:
    """Name, list and remove saved states; both the program and its engine use it.

    What can't be removed is logged and left: a cache must not stop anyone. Names tell nothing of a chat.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, chat_id: str, side: str, identity: str) -> Path:
        """Return where the state of a chat's `side` lies; `identity` is that of the model and its parameters."""
        return self._folder / f"{_chat_mark(chat_id)}-{side}-{identity[:16]}{_SUFFIX}"

    def prepare(self) -> None:
        """Make the folder, for the person alone. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)

    def forget(self, chat_id: str | None) -> None:
        """Remove the states of a chat; of None, of all."""
        mark = "" if chat_id is None else _chat_mark(chat_id)
        for path in self._files():
            if path.name.startswith(mark) or (chat_id is None and path.name.startswith(".")):
                remove_state(path)

    def trim(self, limit_bytes: int) -> None:
        """Remove what was not used for the longest time until the rest takes at most `limit_bytes`."""
        kept_bytes = 0
        for _, size, path in sorted(self._sizes(), reverse=True):
            kept_bytes += size
            if kept_bytes > limit_bytes:
                remove_state(path)

    def sweep(self) -> None:
        """Remove what a process that died has left: half-written files, and files it died of reading."""
        for path in self._files():
            with suppress(OSError):
                is_old = time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S
                if path.suffix == _BEING_READ or (path.name.startswith(".") and is_old):
                    remove_state(path)

    def _files(self) -> Iterator[Path]:
        try:
            yield from [path for path in self._folder.iterdir() if path.is_file()]
        except FileNotFoundError:
            return
        except OSError as error:
            log.info("the saved states can't be listed: %s", error)

    def _sizes(self) -> Iterator[tuple[float, int, Path]]:
        for path in self._files():
            with suppress(FileNotFoundError):
                status = path.stat()
                yield status.st_mtime, status.st_size, path


class BeingRead:
    """Keep a state's file under another name while llama.cpp reads it.

    Should the process die of that, the file is not found again, and the next process does not die of it too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = path.with_suffix(_BEING_READ)

    def __enter__(self) -> None:
        self._path.replace(self._aside)

    def __exit__(self, *_: object) -> None:
        with suppress(FileNotFoundError):  # its chat was deleted meanwhile
            self._aside.replace(self._path)
            os.utime(self._path)


def remove_state(path: Path) -> None:
    """Remove one file; a failure is logged."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.info("a saved state can't be removed: %s", error)


def _chat_mark(chat_id: str) -> str:
    return hashlib.sha256(chat_id.encode("utf-8", "surrogatepass")).hexdigest()[:24]
