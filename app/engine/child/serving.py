"""Take requests one after the other and answer them; nothing a request does ends the process."""

from __future__ import annotations

import logging

from llama_cpp import llama_cpp as llama

from app.core.errors import AppError, EngineError, ModelNotLoaded, NotEnoughMemory
from app.engine.child import ggml
from app.engine.child.devices import load_backends
from app.engine.child.generation import Turn
from app.engine.child.inbox import Inbox
from app.engine.child.loading import Loader
from app.engine.child.logbook import Logbook
from app.engine.child.model import OpenModel
from app.engine.child.pipe import Pipe
from app.engine.child.pulse import Pulse
from app.engine.protocol import GenerateRequest, LoadRequest, Measured, MeasureRequest, Request, RequestFailed

log = logging.getLogger(__name__)


def serve(pipe: Pipe, inbox: Inbox, pulse: Pulse) -> None:
    """Answer requests for ever; the inbox ends the process when the parent is gone."""
    last_words = ggml.AbortMessageCallback(lambda text: _say_last_words(pipe, text))
    ggml.set_abort_callback(last_words)
    server = Server(pipe, inbox)
    inbox.on_forget, inbox.on_goodbye = server.forget, server.save
    while True:
        request = inbox.next_request(server.seconds_until_rest())
        if request is None:
            server.rest()
        else:
            with pulse.watching(request):
                server.handle(request)


def _say_last_words(pipe: Pipe, text: bytes) -> None:
    words = text.decode("utf-8", "replace")
    log.error("llama.cpp gives up: %s", words)
    pipe.send_last_words(words)


class Server:
    """Hold the open model and answer requests."""

    def __init__(self, pipe: Pipe, inbox: Inbox) -> None:
        self._pipe = pipe
        self._cancellation = inbox.cancellation
        self._logbook = Logbook()
        self._logbook.open()
        llama.llama_backend_init()
        self._unloaded_backends = load_backends(self._logbook)
        self._model: OpenModel | None = None

    def handle(self, request: Request) -> None:
        """Answer `request`; every failure becomes RequestFailed."""
        self._cancellation.begin(request.request_id)
        try:
            self._dispatch(request)
        except AppError as error:
            self._fail(request, error)
        except MemoryError:
            log.exception("memory ran out")
            self._fail(request, NotEnoughMemory("Memory ran out. Close other programs and try again."))
        except Exception as bug:  # the border of the process: a bug fails its request, not the model
            log.exception("a request failed by a bug")
            self._fail(
                request,
                EngineError(
                    f"Something went wrong inside the engine ({type(bug).__name__}). Try again; if it "
                    "happens again, load the model again. The log says more."
                ),
            )
        finally:
            self._cancellation.end()

    def seconds_until_rest(self) -> float | None:
        """Return how long to wait for a request before `rest` is due; None for ever."""
        return self._model.recall.seconds_until_rest() if self._model is not None else None

    def rest(self) -> None:
        """Do what can wait until nobody is waiting."""
        if self._model is not None:
            self._model.recall.rest()

    def forget(self, chat_id: str | None) -> None:
        """Keep nothing more of a chat; of None, of any on disk. Any thread."""
        model = self._model
        if model is not None:
            model.recall.forget(chat_id)

    def save(self, patience_s: float) -> None:
        """Save what the model has read, shortly before the process ends. Any thread."""
        model = self._model
        if model is not None:
            model.recall.close(patience_s)

    def _fail(self, request: Request, error: AppError) -> None:
        self._pipe.send(RequestFailed(request.request_id, error))

    def _dispatch(self, request: Request) -> None:
        match request:
            case LoadRequest():
                self._load(request)
            case GenerateRequest():
                model = self._open_model()
                with model.recall.turn(request.chat_id, request.effort):
                    Turn(model, request, self._pipe.send, self._cancellation).run()
            case MeasureRequest():
                prompt = self._open_model().prompter.build(request.messages, request.effort)
                self._pipe.send(Measured(request.request_id, prompt.tokens, prompt.image_tokens))

    def _load(self, request: LoadRequest) -> None:
        if self._model is not None:
            model, self._model = self._model, None
            model.close()
        loader = Loader(request, self._pipe.send, self._cancellation, self._logbook, self._unloaded_backends)
        self._model = loader.load()

    def _open_model(self) -> OpenModel:
        if self._model is None:
            raise ModelNotLoaded("No model is open. Open a model first.")
        return self._model
