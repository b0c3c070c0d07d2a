"""A plan as llama.cpp's parameters."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llama_cpp import llama_cpp as llama

from app.core.facts import Plan
from app.engine.child import ggml
from app.engine.child.devices import Device, find_devices, list_devices
from app.engine.child.session import BATCH_TOKENS
from app.engine.corrections import Scalar

_CACHE_TYPES = {"f16": llama.GGML_TYPE_F16, "q8_0": llama.GGML_TYPE_Q8_0, "q4_0": llama.GGML_TYPE_Q4_0}
_NAME_BYTES = 127  # a metadata key or string in an override, without its final zero


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """Hold llama.cpp's parameters and everything in memory that they point to."""

    struct: Any
    devices: tuple[Device, ...]
    projector_device: Device | None
    kept: tuple[Any, ...]


def model_parameters(plan: Plan, overrides: Mapping[str, Scalar], progress: Callable[[float], bool]) -> ModelParameters:
    """Return the parameters for `plan`; `progress` gets 0 to 1 and returns whether to go on.

    Raises NotEnoughMemory when a planned device is gone.
    """
    available = list_devices()
    devices = find_devices(tuple(device.bus_id for device in plan.devices), available)
    by_bus_id = dict(zip((device.bus_id for device in plan.devices), devices, strict=True))
    handles = (ctypes.c_void_p * (len(devices) + 1))(*(device.handle for device in devices), None)
    split = (ctypes.c_float * llama.llama_max_devices())(*map(float, plan.tensor_split))
    buffers = _buffer_overrides(plan, by_bus_id)
    metadata = _metadata_overrides(overrides)
    callback = llama.llama_progress_callback(lambda fraction, _data: progress(fraction))
    struct = llama.llama_model_default_params()
    # An empty list, not NULL, keeps everything off the GPUs: NULL means all of them.
    struct.devices = ctypes.cast(handles, ctypes.c_void_p)
    struct.n_gpu_layers = plan.n_gpu_layers
    struct.split_mode = llama.LLAMA_SPLIT_MODE_LAYER
    struct.tensor_split = split
    struct.tensor_buft_overrides = ctypes.cast(buffers, ctypes.c_void_p)
    struct.kv_overrides = metadata
    struct.progress_callback = callback
    return ModelParameters(
        struct,
        devices,
        _projector_device(plan, by_bus_id, available),
        (handles, split, buffers, metadata, callback),
    )


def context_parameters(plan: Plan, training_tokens: int, threads: int) -> Any:
    """Return the parameters of a context as `plan` wants it; `training_tokens` is what the model was made for, or 0."""
    struct = llama.llama_context_default_params()
    struct.n_ctx = min(plan.context_tokens, training_tokens) if training_tokens > 0 else plan.context_tokens
    struct.n_batch = BATCH_TOKENS
    struct.n_ubatch = min(plan.batch_tokens, BATCH_TOKENS)
    struct.type_k = struct.type_v = _CACHE_TYPES[plan.kv_type]
    struct.n_seq_max = 1
    if hasattr(struct, "n_outputs_max"):
        struct.n_outputs_max = 1  # logits for one token: a far smaller compute buffer
    struct.n_threads = struct.n_threads_batch = threads
    struct.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_AUTO
    struct.offload_kqv = True
    struct.no_perf = True
    return struct


def _projector_device(plan: Plan, planned: Mapping[str, Device], available: tuple[Device, ...]) -> Device | None:
    if plan.projector_device is None:
        return None
    return planned.get(plan.projector_device) or find_devices((plan.projector_device,), available)[0]


def _buffer_overrides(plan: Plan, devices: Mapping[str, Device]) -> Any:
    cpu = ggml.device_by_type(ggml.DEVICE_TYPE_CPU)
    overrides = (ggml.BufferOverride * (len(plan.overrides) + 1))()
    for slot, override in zip(overrides, plan.overrides, strict=False):
        device = cpu if override.buffer == "CPU" else devices[override.buffer].handle
        slot.pattern = override.pattern.encode()
        slot.buffer_type = ggml.device_buffer_type(device)
    return overrides  # the last one stays zero, which ends the list


def _metadata_overrides(values: Mapping[str, Scalar]) -> Any:
    overrides = (llama.llama_model_kv_override * (len(values) + 1))()
    for slot, (key, value) in zip(overrides, values.items(), strict=False):
        slot.key = key.encode()[:_NAME_BYTES]
        _set_value(slot, value)
    return overrides  # the last one has an empty key, which ends the list


def _set_value(slot: Any, value: Scalar) -> None:
    if isinstance(value, bool):  # before int: a bool is one
        slot.tag, slot.value.val_bool = llama.LLAMA_KV_OVERRIDE_TYPE_BOOL, value
    elif isinstance(value, int):
        slot.tag, slot.value.val_i64 = llama.LLAMA_KV_OVERRIDE_TYPE_INT, value
    elif isinstance(value, float):
        slot.tag, slot.value.val_f64 = llama.LLAMA_KV_OVERRIDE_TYPE_FLOAT, value
    else:
        slot.tag, slot.value.val_str = llama.LLAMA_KV_OVERRIDE_TYPE_STR, value.encode()[:_NAME_BYTES]
