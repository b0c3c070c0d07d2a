"""Open a model as planned: header, corrections, weights, context, projector, one trial step."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from contextlib import ExitStack

from llama_cpp import llama_cpp as llama

from app.core.cpu import count_cores
from app.engine.child.breakdown import read_buffers
from app.engine.child.cancellation import Cancellation
from app.engine.child.details import Surroundings, describe
from app.engine.child.failures import explain_load_failure
from app.engine.child.logbook import Logbook
from app.engine.child.model import OpenModel
from app.engine.child.placement import ModelParameters, context_parameters, model_parameters
from app.engine.child.preflight import Headers, read_headers
from app.engine.child.projector import open_projector
from app.engine.child.prompting import Prompter
from app.engine.child.recall import open_recall
from app.engine.child.rendering import renderer_for
from app.engine.child.session import Session
from app.engine.child.streaming import ThinkMarks
from app.engine.child.vision import Vision
from app.engine.child.vocabulary import Vocabulary, open_vocabulary
from app.engine.protocol import EngineEvent, Loaded, LoadProgressed, LoadRequest

_PROJECTOR_SHARE = 0.05  # of the progress bar
_PROGRESS_INTERVAL_S = 0.05
_THINK_NAMES = (("[THINK]", "[/THINK]"), ("<think>", "</think>"))

# `strlen` as llama.cpp's abort callback: on the cancellation's C string it is true once cancelled, and
# costs nothing, where a Python function in its place would slow the model down by 3 to 8 %.
_ABORT = ctypes.cast((ctypes.cdll.msvcrt if os.name == "nt" else ctypes.CDLL(None)).strlen, llama.ggml_abort_callback)


class Loader:
    """Open one model; `send` gets the events."""

    def __init__(
        self,
        request: LoadRequest,
        send: Callable[[EngineEvent], None],
        cancellation: Cancellation,
        logbook: Logbook,
        unloaded_backends: tuple[str, ...],
    ) -> None:
        self._request = request
        self._send = send
        self._cancellation = cancellation
        self._logbook = logbook
        self._threads = request.threads or count_cores()
        self._unloaded_backends = unloaded_backends
        self._told_at = 0.0

    def load(self) -> OpenModel:
        """Return the open model after sending Loaded. Raises AppError; Cancelled if that was wished."""
        started = time.monotonic()
        headers = read_headers(self._request, self._logbook)
        with ExitStack() as undo:
            opened, surroundings = self._open(headers, undo)
            opened.session.warm_up(opened.vocabulary.first_token)
            self._cancellation.check()
            undo.pop_all()
        self._send(self._loaded(headers, opened, surroundings, time.monotonic() - started))
        return opened

    def _open(self, headers: Headers, undo: ExitStack) -> tuple[OpenModel, Surroundings]:
        parameters = model_parameters(self._request.plan, headers.overrides, self._progress)
        model = self._load_weights(parameters)
        undo.callback(llama.llama_model_free, model)
        vocabulary = open_vocabulary(model, headers.model)
        renderer = renderer_for(model, headers.arch, vocabulary)
        context = self._make_context(model)
        undo.callback(llama.llama_free, context)
        surroundings = Surroundings(
            self._threads, parameters.devices, tuple(self._logbook.placements()), self._unloaded_backends
        )
        vision = self._open_projector(model, headers, parameters)
        if vision is not None:
            undo.callback(vision.close)
        session = Session(context, vision)
        prompter = Prompter(renderer.render, vocabulary, vision, renderer.first_token)
        recall = open_recall(session, prompter, self._request, headers, two_sides=renderer.knows_effort)
        undo.callback(recall.close)
        marks = _think_marks(vocabulary)
        opened = OpenModel(model, vocabulary, session, vision, prompter, renderer, marks, recall)
        return opened, surroundings

    # --- steps ---

    def _load_weights(self, parameters: ModelParameters) -> int:
        self._logbook.forget()
        handle = llama.llama_model_load_from_file(os.fsencode(self._request.model), parameters.struct)
        self._cancellation.check()
        if not handle:
            raise explain_load_failure(self._logbook.errors(), self._request.model)
        return int(handle)

    def _make_context(self, model: int) -> int:
        training = llama.llama_model_n_ctx_train(model)
        params = context_parameters(self._request.plan, training, self._threads)
        params.abort_callback = _ABORT
        params.abort_callback_data = self._cancellation.address
        handle = llama.llama_init_from_model(model, params)
        self._cancellation.check()
        if not handle:
            raise explain_load_failure(self._logbook.errors(), self._request.model)
        return int(handle)

    def _open_projector(self, model: int, headers: Headers, parameters: ModelParameters) -> Vision | None:
        if self._request.projector is None or headers.projector is None:
            return None
        return open_projector(
            self._request.projector,
            headers.projector,
            model,
            device=parameters.projector_device,
            threads=self._threads,
            cancellation=self._cancellation,
            logbook=self._logbook,
        )

    def _progress(self, fraction: float) -> bool:
        """Tell how far the weights are; return whether to go on."""
        now = time.monotonic()
        if fraction >= 1 or now - self._told_at >= _PROGRESS_INTERVAL_S:
            share = 1 - _PROJECTOR_SHARE if self._request.projector is not None else 1
            self._send(LoadProgressed(self._request.request_id, min(max(fraction, 0.0), 1.0) * share))
            self._told_at = now
        return not self._cancellation.requested

    def _loaded(self, headers: Headers, opened: OpenModel, surroundings: Surroundings, load_seconds: float) -> Loaded:
        return Loaded(
            request_id=self._request.request_id,
            name=str(headers.model.get("general.name") or self._request.model.stem),
            arch=headers.arch,
            context_tokens=opened.session.context_tokens,
            training_context=llama.llama_model_n_ctx_train(opened.handle),
            sees_pictures=opened.vision is not None,
            knows_effort=opened.renderer.knows_effort,
            load_seconds=load_seconds,
            details=describe(headers, self._request, opened, surroundings),
            longest_side_pixels=opened.vision.longest_side_pixels if opened.vision is not None else 0,
            buffers=read_buffers(opened.session.context),
        )


def _think_marks(vocabulary: Vocabulary) -> ThinkMarks:
    for opening, closing in _THINK_NAMES:
        marks = vocabulary.single(opening), vocabulary.single(closing)
        if None not in marks:
            return ThinkMarks(*marks)
    return ThinkMarks()
