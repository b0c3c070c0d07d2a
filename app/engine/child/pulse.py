"""A thread that shows the parent that the process lives, and ends it when the work under way gets no further."""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from app.engine.child.pipe import Pipe
from app.engine.child.vitals import look_at_process, own_bytes, ram_bytes
from app.engine.child.watch import LOADING, OPENING, READING, WRITING, Limits, Watch
from app.engine.protocol import LoadProgressed, LoadRequest, Prefilled, Rendered, Request
from app.engine.wire import EXIT_STUCK, Beat, Message

log = logging.getLogger(__name__)

BEAT_S = 1.0


def limits_of(request: Request, said: Message | None) -> Limits:
    """Return the limits of a request whose last message was `said`."""
    if isinstance(request, LoadRequest):
        return LOADING if isinstance(said, LoadProgressed) else OPENING
    return READING if said is None or isinstance(said, Rendered | Prefilled) else WRITING


class Pulse:
    """Beat once a second, and look whether the request under way gets further.

    Every message of the work is a step of it. Native code leaves this thread alone: ctypes lets go of Python's
    lock during a call. Where native code keeps it, the beats stop, which the parent notices.
    """

    def __init__(
        self,
        pipe: Pipe,
        beat_s: float = BEAT_S,
        find_limits: Callable[[Request, Message | None], Limits] = limits_of,
    ) -> None:
        self._pipe = pipe
        self._beat_s = beat_s
        self._find_limits = find_limits
        self._under_way: Request | None = None

    def start(self) -> None:
        """Begin to beat."""
        threading.Thread(target=self._beat, name="pulse", daemon=True).start()

    @contextmanager
    def watching(self, request: Request) -> Iterator[None]:
        """Have the work on `request` watched."""
        self._pipe.last_sent = None
        self._under_way = request
        try:
            yield
        finally:
            self._under_way = None

    def _beat(self) -> None:
        watch = Watch(look_at_process(0))
        while True:
            time.sleep(self._beat_s)
            with suppress(MemoryError):  # the work meets it too, and says so
                self._look(watch)

    def _look(self, watch: Watch) -> None:
        # Who waits for a slow parent does not hang.
        is_waiting = not self._pipe.offer(Beat(own_bytes(), *ram_bytes()))
        look = look_at_process(self._pipe.sent)
        request = self._under_way
        if request is None or is_waiting:
            watch.rest(look)
        elif hung := watch.judge(look, self._find_limits(request, self._pipe.last_sent)):
            self._end(hung)

    def _end(self, hung: str) -> None:
        log.error("the engine ends itself: %s", hung)
        faulthandler.dump_traceback()
        self._pipe.send_last_words(hung)
        os._exit(EXIT_STUCK)
