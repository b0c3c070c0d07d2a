"""Try a plan without memory: llama.cpp reads the header, lays everything out and says what it would take."""

from __future__ import annotations

import json
import os
from typing import BinaryIO, TextIO

from llama_cpp import llama_cpp as llama

from app.core.cpu import count_cores
from app.core.errors import AppError
from app.core.facts import BufferUse
from app.engine.child.breakdown import read_buffers
from app.engine.child.devices import load_backends
from app.engine.child.failures import explain_load_failure
from app.engine.child.logbook import Logbook
from app.engine.child.placement import context_parameters, model_parameters
from app.engine.child.preflight import read_headers
from app.engine.protocol import LoadRequest
from app.engine.wire import read_messages

_LOAD_MODE_NONE = 0


def write_trial(source: BinaryIO, out: TextIO) -> None:
    """Read one LoadRequest from `source`; write its buffers, or the sentence that says what is wrong, as JSON."""
    logbook = Logbook()
    logbook.open()
    llama.llama_backend_init()
    load_backends(logbook)
    try:
        answer = {"buffers": [_as_json(use) for request in read_messages(source) for use in _try(request, logbook)]}
    except AppError as error:
        answer = {"sentence": str(error)}  # type: ignore[dict-item]  # one of two kinds of answer
    print(json.dumps(answer), file=out, flush=True)


def _try(request: object, logbook: Logbook) -> tuple[BufferUse, ...]:
    if not isinstance(request, LoadRequest):
        raise TypeError(f"{type(request).__name__} is no LoadRequest")
    headers = read_headers(request, logbook)
    parameters = model_parameters(request.plan, headers.overrides, lambda _fraction: True)
    parameters.struct.no_alloc, parameters.struct.load_mode = True, _LOAD_MODE_NONE
    model = llama.llama_model_load_from_file(os.fsencode(request.model), parameters.struct)
    if not model:
        raise explain_load_failure(logbook.errors(), request.model)
    try:
        training = llama.llama_model_n_ctx_train(model)
        context = llama.llama_init_from_model(model, context_parameters(request.plan, training, count_cores()))
        if not context:
            raise explain_load_failure(logbook.errors(), request.model)
        try:
            return read_buffers(context)
        finally:
            llama.llama_free(context)
    finally:
        llama.llama_model_free(model)


def _as_json(use: BufferUse) -> dict[str, str | int]:
    return {
        "device": use.device,
        "weights_bytes": use.weights_bytes,
        "kv_bytes": use.kv_bytes,
        "compute_bytes": use.compute_bytes,
    }
