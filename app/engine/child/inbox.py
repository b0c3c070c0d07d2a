"""What the parent asks, read on a thread of its own so that it is heard while native code runs."""

from __future__ import annotations

import logging
import os
import queue
import threading

from app.engine.child.cancellation import Cancellation
from app.engine.child.pipe import Pipe
from app.engine.protocol import Request
from app.engine.wire import Cancel, WireError

log = logging.getLogger(__name__)


class Inbox:
    """Collect requests and act on cancels at once; end the process when the parent closes the pipe."""

    def __init__(self, pipe: Pipe) -> None:
        self.cancellation = Cancellation()
        self._pipe = pipe
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def next_request(self) -> Request:
        """Wait for the next request."""
        return self._requests.get()

    def _read(self) -> None:
        try:
            for message in self._pipe.messages():
                if isinstance(message, Cancel):
                    self.cancellation.cancel(message.request_id)
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
