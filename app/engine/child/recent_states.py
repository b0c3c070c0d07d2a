"""What the model has read of recent chats, in memory."""

from __future__ import annotations

import threading

from app.engine.child.state_file import SavedState

_GENERATIONS = 4


class RecentStates:
    """Hold states up to `limit_bytes`; those not used for the longest time go first. Safe from any thread.

    Of each side of a chat the newest one is held, unless memories are of use whole or not
    (`Session.forgets_freely`): then some older ones are, so that an edit finds one from before the change.
    """

    def __init__(self, limit_bytes: int, *, forgets_freely: bool) -> None:
        self.limit_bytes = limit_bytes
        self._generations = 1 if forgets_freely else _GENERATIONS
        self._lock = threading.Lock()
        self._states: list[SavedState] = []

    def all(self) -> tuple[SavedState, ...]:
        """Return every state, the one used last at the end."""
        with self._lock:
            return tuple(self._states)

    def has(self, chat_id: str, side: str) -> bool:
        """Return whether a side of a chat is held."""
        return any(state.key == (chat_id, side) for state in self.all())

    def put(self, state: SavedState) -> None:
        """Hold `state`, in place of an older one of its side; one that is too large alone is not held."""
        if state.n_bytes > self.limit_bytes:
            return
        with self._lock:
            same = [old for old in self._states if old.key == state.key]
            gone = same[: len(same) - self._generations + 1]
            self._states = [old for old in self._states if old not in gone and old.entries != state.entries]
            self._states.append(state)
            while sum(held.n_bytes for held in self._states) > self.limit_bytes:
                del self._states[0]

    def touch(self, state: SavedState) -> None:
        """Note that `state` was used."""
        with self._lock:
            if state in self._states:
                self._states.remove(state)
                self._states.append(state)

    def drop(self, state: SavedState) -> None:
        """Let go of `state`."""
        with self._lock:
            if state in self._states:
                self._states.remove(state)

    def forget(self, chat_id: str | None) -> None:
        """Let go of a chat; of None, of all."""
        with self._lock:
            self._states = [state for state in self._states if chat_id is not None and state.chat_id != chat_id]
