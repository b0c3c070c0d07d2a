"""What the parent asks, read on a thread of its own so that it is heard while native code runs."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from app.engine.child.cancellation import Cancellation
from app.engine.child.pipe import Pipe
from app.engine.protocol import Request
from app.engine.wire import AnswerNow, Cancel, Forget, Goodbye, WireError

log = logging.getLogger(__name__)


class Inbox:
    """Collect requests and act on cancels at once; end the process when the parent closes the pipe.

    `on_forget` and `on_goodbye` are called on the reading thread.
    """

    def __init__(self, pipe: Pipe) -> None:
        self.cancellation = Cancellation()
        self._pipe = pipe
        self.on_forget: Callable[[str | None], None] = lambda _chat_id: None
        self.on_goodbye: Callable[[float], None] = lambda _patience_s: None
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def next_request(self, timeout_s: float | None = None) -> Request | None:
        """Wait for the next request, for ever without a timeout; return None when it has passed."""
        with suppress(queue.Empty):
            return self._requests.get(timeout=timeout_s)
        return None

    def _read(self) -> None:
        try:
            for message in self._pipe.messages():
                if isinstance(message, Cancel):
                    self.cancellation.cancel(message.request_id)
                elif isinstance(message, AnswerNow):
                    self.cancellation.hurry(message.request_id)
                elif isinstance(message, Forget):
                    self.on_forget(message.chat_id)
                elif isinstance(message, Goodbye):
                    self.on_goodbye(message.patience_s)
                elif isinstance(message, Request):
                    self._requests.put(message)
                else:
                    raise WireError(f"the parent sent a {type(message).__name__}")
        except (OSError, WireError):
            log.exception("the parent can't be understood")
        finally:
            # The parent is gone or wants no more. No clean-up: the system frees memory and devices
            # faster, and native code may be in the middle of anything.
            os._exit(0)
