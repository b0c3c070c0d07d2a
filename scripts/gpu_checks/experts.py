"""Multiply quantized experts with activations beyond what 16 bits hold, on every device, marked and unmarked."""

from __future__ import annotations

from ctypes import c_int, c_size_t, c_void_p

import numpy as np
from gguf import GGMLQuantizationType, quants
from llama_cpp import llama_cpp as llama

from app.engine.child import ggml
from app.engine.child.devices import Device, list_devices
from app.engine.child.probing import takes_f32_experts

ACTIVATION = 3e5  # as large as Mistral Small 4's become; a 16-bit float ends at 65,504
_WIDTH, _ROWS, _EXPERTS, _USED = 256, 64, 4, 2


def check_overflow() -> int:
    """Say for every device whether large activations stay finite and right; return 1 where they do not."""
    print("| device | takes the mark | finite | largest error |\n|---|---|---|---|")
    wrong = 0
    for device in list_devices():
        result, expected = multiply(device)
        finite = bool(np.isfinite(result).all())
        error = float(np.abs(result - expected).max() / np.abs(expected).max()) if finite else float("nan")
        wrong += not finite
        print(f"| {device.name} | {takes_f32_experts(device.handle)} | {finite} | {error:.2%} |")
    return 1 if wrong else 0


def multiply(device: Device) -> tuple[np.ndarray, np.ndarray]:
    """Return what `device` makes of experts times large activations, without any mark, and what is right."""
    generator = np.random.default_rng(1)
    experts = (generator.standard_normal((_EXPERTS, _ROWS, _WIDTH)) * 0.02).astype(np.float32)
    packed = quants.quantize(experts, GGMLQuantizationType.Q8_0)
    rows = (generator.choice([-1.0, 1.0], (1, _USED, _WIDTH)) * ACTIVATION).astype(np.float32)
    chosen = np.array([[1, 3]], dtype=np.int32)
    context = ggml.context_new(ggml.InitParams(1 << 20, None, True))
    backend = ggml.function("ggml_backend_dev_init", c_void_p, c_void_p, c_void_p)(device.handle, None)
    try:
        weights = ggml.tensor_3d(context, llama.GGML_TYPE_Q8_0, _WIDTH, _ROWS, _EXPERTS)
        inputs = ggml.tensor_3d(context, llama.GGML_TYPE_F32, _WIDTH, _USED, 1)
        numbers = ggml.tensor_2d(context, llama.GGML_TYPE_I32, _USED, 1)
        product = ggml.multiply_experts(context, weights, inputs, numbers)
        buffer = ggml.function("ggml_backend_alloc_ctx_tensors", c_void_p, c_void_p, c_void_p)(context, backend)
        for tensor, content in ((weights, packed), (inputs, rows), (numbers, chosen)):
            _set(tensor, np.ascontiguousarray(content))
        result = np.zeros((1, _USED, _ROWS), dtype=np.float32)
        _compute(context, backend, product)
        _get(product, result)
        ggml.function("ggml_backend_buffer_free", None, c_void_p)(buffer)
    finally:
        ggml.function("ggml_backend_free", None, c_void_p)(backend)
        ggml.context_free(context)
    exact = quants.dequantize(packed, GGMLQuantizationType.Q8_0)[chosen[0]].astype(np.float64)
    return result, np.einsum("erw,ew->er", exact, rows[0])[None]


def _compute(context: int, backend: int, product: int) -> None:
    graph = ggml.function("ggml_new_graph", c_void_p, c_void_p)(context)
    ggml.function("ggml_build_forward_expand", None, c_void_p, c_void_p)(graph, product)
    code = ggml.function("ggml_backend_graph_compute", c_int, c_void_p, c_void_p)(backend, graph)
    if code != 0:
        raise RuntimeError(f"ggml could not compute (code {code})")


def _set(tensor: int, content: np.ndarray) -> None:
    copy = ggml.function("ggml_backend_tensor_set", None, c_void_p, c_void_p, c_size_t, c_size_t)
    copy(tensor, content.ctypes.data_as(c_void_p), 0, content.nbytes)


def _get(tensor: int, target: np.ndarray) -> None:
    copy = ggml.function("ggml_backend_tensor_get", None, c_void_p, c_void_p, c_size_t, c_size_t)
    copy(tensor, target.ctypes.data_as(c_void_p), 0, target.nbytes)
