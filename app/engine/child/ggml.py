"""The few functions of ggml that the Python binding leaves out, with their types."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_bool, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as llama

LIBRARIES = Path(llama.__file__).resolve().parent / "lib"

DEVICE_TYPE_CPU = 0
DEVICE_TYPE_GPU = 1
DEVICE_TYPE_IGPU = 2


class DeviceProps(Structure):
    """Mirror `ggml_backend_dev_props`; `caps` is longer than any version's, so that none writes past it."""

    _fields_ = (
        ("name", c_char_p),
        ("description", c_char_p),
        ("memory_free", c_size_t),
        ("memory_total", c_size_t),
        ("type", c_int),
        ("device_id", c_char_p),
        ("caps", c_bool * 32),
    )


class BufferOverride(Structure):
    """Mirror `llama_model_tensor_buft_override`."""

    _fields_ = (("pattern", c_char_p), ("buffer_type", c_void_p))


class GgufInitParams(Structure):
    """Mirror `gguf_init_params`."""

    _fields_ = (("no_alloc", c_bool), ("context", c_void_p))


AbortMessageCallback = ctypes.CFUNCTYPE(None, c_char_p)


def _symbol(name: str) -> Any:
    # By way of libllama's own handle: the files libggml.so and libggml.so.0 are two copies, and opening
    # the wrong one gives a second ggml with a device registry of its own.
    if hasattr(llama._lib, name):
        return getattr(llama._lib, name)
    # Windows finds a name only in the library that defines it; one path is one copy there.
    for library in ("ggml-base.dll", "ggml.dll", "ggml-cpu.dll"):
        handle = ctypes.CDLL(str(LIBRARIES / library))
        if hasattr(handle, name):
            return getattr(handle, name)
    raise AttributeError(name)


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = _symbol(name)
    function.restype, function.argtypes = result, list(arguments)
    return function


set_abort_callback = _function("ggml_set_abort_callback", c_void_p, AbortMessageCallback)
load_all_backends = _function("ggml_backend_load_all_from_path", None, c_char_p)
backend_count = _function("ggml_backend_reg_count", c_size_t)
backend_get = _function("ggml_backend_reg_get", c_void_p, c_size_t)
backend_name = _function("ggml_backend_reg_name", c_char_p, c_void_p)
device_count = _function("ggml_backend_dev_count", c_size_t)
device_get = _function("ggml_backend_dev_get", c_void_p, c_size_t)
device_by_type = _function("ggml_backend_dev_by_type", c_void_p, c_int)
device_props = _function("ggml_backend_dev_get_props", None, c_void_p, POINTER(DeviceProps))
device_buffer_type = _function("ggml_backend_dev_buffer_type", c_void_p, c_void_p)

gguf_open = _function("gguf_init_from_file", c_void_p, c_char_p, GgufInitParams)
gguf_free = _function("gguf_free", None, c_void_p)
gguf_find_key = _function("gguf_find_key", c_int64, c_void_p, c_char_p)
gguf_key_count = _function("gguf_get_n_kv", c_int64, c_void_p)
gguf_key = _function("gguf_get_key", c_char_p, c_void_p, c_int64)
gguf_value_type = _function("gguf_get_kv_type", c_int, c_void_p, c_int64)
gguf_value_string = _function("gguf_get_val_str", c_char_p, c_void_p, c_int64)
gguf_data_offset = _function("gguf_get_data_offset", c_size_t, c_void_p)
gguf_tensor_count = _function("gguf_get_n_tensors", c_int64, c_void_p)
gguf_tensor_offset = _function("gguf_get_tensor_offset", c_size_t, c_void_p, c_int64)
gguf_tensor_size = _function("gguf_get_tensor_size", c_size_t, c_void_p, c_int64)
gguf_value_data = _function("gguf_get_val_data", c_void_p, c_void_p, c_int64)
