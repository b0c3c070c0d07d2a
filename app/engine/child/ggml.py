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


class InitParams(Structure):
    """Mirror `ggml_init_params`."""

    _fields_ = (("size", c_size_t), ("buffer", c_void_p), ("no_alloc", c_bool))


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


def has_function(name: str) -> bool:
    """Say whether this build of llama.cpp exports `name`."""
    try:
        _symbol(name)
    except AttributeError:
        return False
    return True


def function(name: str, result: Any, *arguments: Any) -> Any:
    """Return ggml's function `name` with its types. Raises AttributeError where this build has none."""
    found = _symbol(name)
    found.restype, found.argtypes = result, list(arguments)
    return found


set_abort_callback = function("ggml_set_abort_callback", c_void_p, AbortMessageCallback)
load_all_backends = function("ggml_backend_load_all_from_path", None, c_char_p)
backend_count = function("ggml_backend_reg_count", c_size_t)
backend_get = function("ggml_backend_reg_get", c_void_p, c_size_t)
backend_name = function("ggml_backend_reg_name", c_char_p, c_void_p)
device_count = function("ggml_backend_dev_count", c_size_t)
device_get = function("ggml_backend_dev_get", c_void_p, c_size_t)
device_by_type = function("ggml_backend_dev_by_type", c_void_p, c_int)
device_props = function("ggml_backend_dev_get_props", None, c_void_p, POINTER(DeviceProps))
device_buffer_type = function("ggml_backend_dev_buffer_type", c_void_p, c_void_p)
device_supports = function("ggml_backend_dev_supports_op", c_bool, c_void_p, c_void_p)
buffer_type_name = function("ggml_backend_buft_name", c_char_p, c_void_p)
buffer_type_device = function("ggml_backend_buft_get_device", c_void_p, c_void_p)
buffer_type_is_host = function("ggml_backend_buft_is_host", c_bool, c_void_p)

context_new = function("ggml_init", c_void_p, InitParams)
context_free = function("ggml_free", None, c_void_p)
tensor_2d = function("ggml_new_tensor_2d", c_void_p, c_void_p, c_int, c_int64, c_int64)
tensor_3d = function("ggml_new_tensor_3d", c_void_p, c_void_p, c_int, c_int64, c_int64, c_int64)
multiply_experts = function("ggml_mul_mat_id", c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)

gguf_open = function("gguf_init_from_file", c_void_p, c_char_p, GgufInitParams)
gguf_free = function("gguf_free", None, c_void_p)
gguf_find_key = function("gguf_find_key", c_int64, c_void_p, c_char_p)
gguf_key_count = function("gguf_get_n_kv", c_int64, c_void_p)
gguf_key = function("gguf_get_key", c_char_p, c_void_p, c_int64)
gguf_value_type = function("gguf_get_kv_type", c_int, c_void_p, c_int64)
gguf_value_string = function("gguf_get_val_str", c_char_p, c_void_p, c_int64)
gguf_data_offset = function("gguf_get_data_offset", c_size_t, c_void_p)
gguf_tensor_count = function("gguf_get_n_tensors", c_int64, c_void_p)
gguf_tensor_offset = function("gguf_get_tensor_offset", c_size_t, c_void_p, c_int64)
gguf_tensor_size = function("gguf_get_tensor_size", c_size_t, c_void_p, c_int64)
gguf_value_data = function("gguf_get_val_data", c_void_p, c_void_p, c_int64)
