"""The engine as the program sees it: one child process at a time, and a thread that tells what it says."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence

from app.core.errors import AppError, ContextFull, EngineUnavailable, ModelNotLoaded
from app.engine.endings import Ending, explain
from app.engine.process import EngineProcess, engine_command
from app.engine.protocol import (
    Died,
    EngineEvent,
    Generated,
    Listener,
    Loaded,
    LoadRequest,
    Measured,
    Request,
    RequestFailed,
)
from app.engine.wire import AnswerNow, Cancel, Forget, Message, MessageTooLarge, WireError

log = logging.getLogger(__name__)

_LastEvent = Loaded | Generated | Measured | RequestFailed


class ChildEngine:
    """Run the engine (`app.engine.protocol.Engine`) in a child process that starts with the first load.

    `command` starts the child; tests pass a scripted one. Times are in seconds. A child that says nothing at all
    for `silence_timeout_s` is ended.
    """

    def __init__(
        self,
        listener: Listener,
        command: Sequence[str] | None = None,
        *,
        greeting_timeout_s: float = 60.0,
        silence_timeout_s: float = 45.0,
        patience_s: float = 2.0,
    ) -> None:
        self._listener = listener
        self._command = list(command) if command is not None else engine_command()
        self._timeouts_s = greeting_timeout_s, silence_timeout_s
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._process: EngineProcess | None = None
        self._under_way: str | None = None
        self._closed = False
        self._events: queue.SimpleQueue[EngineEvent | None] = queue.SimpleQueue()
        self._teller = threading.Thread(target=self._tell, name="engine-events", daemon=True)
        self._teller.start()

    @property
    def pid(self) -> int | None:
        """Return the child's process id, or None while there is no child."""
        process = self._process
        return process.pid if process is not None else None

    def ask(self, request: Request) -> None:
        """Hand over `request`; start the process if it is a load and none is running."""
        try:
            process = self._process_for(request)
            process.send(request)
        except MessageTooLarge:
            self._fail(request, ContextFull("The conversation is far too long for the model. Start a new one."))
        except AppError as error:
            self._fail(request, error)

    def cancel(self) -> None:
        """Stop the request under way, if any, as soon as llama.cpp allows. Safe from any thread."""
        self._send_of_request(Cancel)

    def answer_now(self) -> None:
        """Let the reasoning under way end, or not begin, so that the answer follows. Safe from any thread."""
        self._send_of_request(AnswerNow)

    def forget(self, chat_id: str | None) -> None:
        """Keep nothing more of a chat; of None, of any chat on disk until the next load. Safe from any thread."""
        process = self._process
        if process is not None:
            process.send(Forget(chat_id))

    def close(self) -> None:
        """End the process and wait for it. No event comes after this returns."""
        with self._lock:
            self._closed = True
            process = self._process
        if process is not None:
            process.stop(self._patience_s)
        self._events.put(None)
        if threading.current_thread() is not self._teller:
            self._teller.join()

    # --- requests ---

    def _send_of_request(self, kind: type[Cancel] | type[AnswerNow]) -> None:
        with self._lock:
            process, under_way = self._process, self._under_way
        if process is not None and under_way is not None:
            process.send(kind(under_way))

    def _process_for(self, request: Request) -> EngineProcess:
        with self._lock:
            if self._closed:
                raise RuntimeError("a closed engine was asked")
            if self._process is None:
                if not isinstance(request, LoadRequest):
                    raise ModelNotLoaded("No model is open. Open a model first.")
                process = EngineProcess(self._command, self._on_message, self._on_end, *self._timeouts_s)
                process.start()
                self._process = process
            self._under_way = request.request_id
            return self._process

    def _fail(self, request: Request, error: AppError) -> None:
        with self._lock:
            self._under_way = None
        self._events.put(RequestFailed(request.request_id, error))

    # --- on the process's thread ---

    def _on_message(self, message: Message) -> None:
        if not isinstance(message, EngineEvent):
            raise WireError(f"it sent a {type(message).__name__}, which is no event")
        if isinstance(message, _LastEvent):
            with self._lock:
                if self._under_way == message.request_id:
                    self._under_way = None
        self._events.put(message)

    def _on_end(self, process: EngineProcess, ending: Ending) -> None:
        with self._lock:
            if self._process is process:
                self._process = None
            under_way, self._under_way = self._under_way, None
            if self._closed:
                return
        log.info("the engine ended with code %s: %s\n%s", ending.exit_code, ending.last_words, ending.tail)
        error = explain(ending)
        if isinstance(error, EngineUnavailable) and under_way is not None:
            self._events.put(RequestFailed(under_way, error))
        else:
            self._events.put(Died(error, under_way))

    # --- on the thread that tells ---

    def _tell(self) -> None:
        while (event := self._events.get()) is not None:
            if self._closed:
                continue
            try:
                self._listener(event)
            except Exception:  # the listener's bug must not silence the engine
                log.exception("the listener failed on %s", type(event).__name__)
