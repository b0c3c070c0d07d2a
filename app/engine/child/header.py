"""What a GGUF file says about itself: its scalar metadata, read by llama.cpp's own reader."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from app.core.errors import ModelFileDamaged, ModelFileMissing
from app.engine.child import ggml
from app.engine.child.failures import explain_load_failure
from app.engine.child.logbook import Logbook

Scalar = int | float | bool | str

_STRING = 8
_KINDS: dict[int, type[ctypes._SimpleCData]] = {  # type: ignore[type-arg]  # of any simple type
    0: ctypes.c_uint8,
    1: ctypes.c_int8,
    2: ctypes.c_uint16,
    3: ctypes.c_int16,
    4: ctypes.c_uint32,
    5: ctypes.c_int32,
    6: ctypes.c_float,
    7: ctypes.c_bool,
    10: ctypes.c_uint64,
    11: ctypes.c_int64,
    12: ctypes.c_double,
}


def read_header(path: Path, logbook: Logbook) -> dict[str, Scalar]:
    """Return the scalar metadata of the GGUF at `path`. Raises ModelError."""
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ModelFileMissing(f"The file {path.name} is not there or can't be read. Choose the model's file again.")
    logbook.forget()
    handle = ggml.gguf_open(os.fsencode(path), ggml.GgufInitParams(no_alloc=True, context=None))
    if not handle:
        raise explain_load_failure(logbook.errors(), path)
    try:
        _check_size(handle, path)
        return _scalars(handle)
    finally:
        ggml.gguf_free(handle)


def _check_size(handle: int, path: Path) -> None:
    start = ggml.gguf_data_offset(handle)
    ends = (
        start + ggml.gguf_tensor_offset(handle, index) + ggml.gguf_tensor_size(handle, index)
        for index in range(ggml.gguf_tensor_count(handle))
    )
    if max(ends, default=0) > path.stat().st_size:
        raise ModelFileDamaged(f"{path.name} is not complete: its end is missing. Download it again.")


def _scalars(handle: int) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for index in range(ggml.gguf_key_count(handle)):
        kind = ggml.gguf_value_type(handle, index)
        key = ggml.gguf_key(handle, index).decode("utf-8", "replace")
        if kind == _STRING:
            found[key] = ggml.gguf_value_string(handle, index).decode("utf-8", "replace")
        elif kind in _KINDS:
            found[key] = _KINDS[kind].from_address(ggml.gguf_value_data(handle, index)).value
    return found
