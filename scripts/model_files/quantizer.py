"""llama.cpp's own quantizer."""

from __future__ import annotations

import ctypes
from pathlib import Path

import llama_cpp.llama_cpp as native

_Q4_K_M = 15


def quantize(source: Path, target: Path) -> None:
    """Write `source` once more as Q4_K_M. Raises RuntimeError if llama.cpp can't."""
    keep = _silence()
    native.llama_backend_init()
    params = native.llama_model_quantize_default_params()
    params.ftype = _Q4_K_M
    params.nthread = 2
    status = native.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params))
    del keep
    if status != 0:
        raise RuntimeError(f"llama.cpp could not quantize {source} (status {status})")


def _silence() -> object:
    callback = native.llama_log_callback(lambda _level, _text, _data: None)
    native.llama_log_set(callback, None)
    return callback
