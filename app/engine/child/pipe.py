"""The child's ends of the pipes to its parent, on descriptors that native code does not know."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import BinaryIO

from app.engine.wire import LastWords, Message, pack, read_messages

_LAST_WORDS_TIMEOUT_S = 1.0


class Pipe:
    """Read and write messages; any thread may write.

    `sent` counts the messages of the work, `last_sent` is the newest of them.
    """

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._writing = threading.Lock()
        self.sent = 0
        self.last_sent: Message | None = None

    def send(self, message: Message) -> None:
        """Write `message`; end the process if the parent is gone."""
        frame = pack(message)
        with self._writing:
            self._write(frame)
        self.sent += 1
        self.last_sent = message

    def offer(self, message: Message) -> bool:
        """Write `message` unless another thread is writing; return whether it was written. It is not counted."""
        if not self._writing.acquire(blocking=False):
            return False
        try:
            self._write(pack(message))
        finally:
            self._writing.release()
        return True

    def send_last_words(self, text: str) -> None:
        """Write what native code says before it aborts, even if another thread is stuck in writing."""
        frame = pack(LastWords(text))
        if self._writing.acquire(timeout=_LAST_WORDS_TIMEOUT_S):
            self._write(frame)  # the lock is kept: nothing may follow

    def messages(self) -> Iterator[Message]:
        """Yield what the parent sends, until it closes its end. Raises WireError."""
        return read_messages(self._incoming)

    def _write(self, frame: bytes) -> None:
        try:
            self._outgoing.write(frame)
            self._outgoing.flush()
        except OSError:
            os._exit(0)


def take_standard_streams() -> Pipe:
    """Move standard input and output to private descriptors; then send descriptor 1 to where 2 goes."""
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return Pipe(incoming, outgoing)
