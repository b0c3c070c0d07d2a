"""Saved states on their way to disk: written beside the conversation, never in its way."""

from __future__ import annotations

import logging
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

from app.core.files import write_pieces_atomically
from app.engine.child.identity import digest_of
from app.engine.child.state_file import Identity, SavedState, state_pieces
from app.engine.state_folder import StateFolder, remove_state

log = logging.getLogger(__name__)

_SPARE_BYTES = 1 << 30  # of the disk, which others need too


class _Abandoned(Exception):
    """Stop writing a state that is of no use any more."""


class StateWriter:
    """Write states on a thread of its own; while a turn is under way it pauses between two pieces.

    A newer state of the same side replaces one that waits, and one that is being written is abandoned.
    """

    def __init__(self, folder: Path, limit_bytes: int, identity: Identity) -> None:
        self._place = folder
        self._folder = StateFolder(folder)
        self._limit_bytes = limit_bytes
        self._identity = identity
        self._name = digest_of(identity)
        self._changed = threading.Condition()
        self._waiting: OrderedDict[tuple[str, str], SavedState] = OrderedDict()
        self._current: SavedState | None = None
        self._abandoned = self._paused = self._closed = False
        self._thread = threading.Thread(target=self._run, name="state-writer", daemon=True)
        self._thread.start()

    @property
    def limit_bytes(self) -> int:
        """Return how much may be kept."""
        return self._limit_bytes

    def path(self, chat_id: str, side: str) -> Path:
        """Return where a state is written to."""
        return self._folder.path(chat_id, side, self._name)

    def put(self, state: SavedState) -> None:
        """Write `state` soon; once closed, not at all."""
        with self._changed:
            if self._closed:
                return
            self._abandon(lambda chat_id, side: (chat_id, side) == state.key)
            self._waiting[state.key] = state
            self._changed.notify_all()

    def pause(self) -> None:
        """Leave the disk and the processor to a turn."""
        with self._changed:
            self._paused = not self._closed

    def go_on(self) -> None:
        """Write again."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def forget(self, chat_id: str | None) -> None:
        """Drop the states of a chat, those on disk too; of None, all."""
        with self._changed:
            self._abandon(lambda chat, _side: chat_id is None or chat == chat_id)
        self._folder.forget(chat_id)

    def close(self) -> None:
        """Take no more states; those that wait are still written."""
        with self._changed:
            self._closed, self._paused = True, False
            self._changed.notify_all()

    def finish(self, timeout_s: float) -> bool:
        """Wait until everything is written, `timeout_s` at most; return whether it is."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._waiting and self._current is None, timeout_s)

    def _abandon(self, is_meant: Callable[[str, str], bool]) -> None:
        for key in [key for key in self._waiting if is_meant(*key)]:
            del self._waiting[key]
        if self._current is not None and is_meant(*self._current.key):
            self._abandoned = True
        self._changed.notify_all()

    # --- on the thread ---

    def _run(self) -> None:
        try:
            self._folder.prepare()
            self._folder.sweep()
            self._folder.trim(self._limit_bytes)
        except OSError as error:
            log.info("the folder of saved states can't be used: %s", error)
        while (state := self._next()) is not None:
            self._write(state)
            with self._changed:
                self._current = None
                self._changed.notify_all()

    def _next(self) -> SavedState | None:
        with self._changed:
            self._changed.wait_for(lambda: (self._waiting or self._closed) and not self._paused)
            if not self._waiting:
                return None
            _, self._current = self._waiting.popitem(last=False)
            self._abandoned = False
            return self._current

    def _write(self, state: SavedState) -> None:
        path = self.path(*state.key)
        try:
            if state.n_bytes > self._limit_bytes or shutil.disk_usage(self._place).free < state.n_bytes + _SPARE_BYTES:
                log.info("a state of %d bytes is not kept on disk: there is no room for it", state.n_bytes)
                return
            write_pieces_atomically(path, self._pieces(state))
            self._folder.trim(self._limit_bytes)
        except _Abandoned:
            return
        except OSError as error:
            log.info("a state can't be kept on disk: %s", error)
        with self._changed:
            if self._abandoned:  # while its last bytes went to disk
                remove_state(path)

    def _pieces(self, state: SavedState) -> Iterator[bytes | memoryview]:
        for piece in state_pieces(state, self._identity):
            with self._changed:
                self._changed.wait_for(lambda: self._abandoned or not self._paused)
                if self._abandoned:
                    raise _Abandoned
            yield piece
