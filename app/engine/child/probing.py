"""Ask a backend whether it takes an operation, before any plan relies on it."""

from __future__ import annotations

from ctypes import c_bool, c_int, c_void_p

from llama_cpp import llama_cpp as llama

from app.engine.child import ggml

_MARK = "ggml_prec_set_src"
_F32_PRECISION = 10  # GGML_PREC_F32
_CONTEXT_BYTES = 1 << 16  # of tensor headers only


def takes_f32_experts(device: int) -> bool:
    """Say whether `device` multiplies routed experts whose input is marked as needing 32 bits.

    llama.cpp marks the down projection of some families so. A backend that refuses has the experts copied to
    the CPU for every token. A llama.cpp that knows no such mark never sets it.
    """
    if not ggml.has_function(_MARK):
        return True
    context = ggml.context_new(ggml.InitParams(_CONTEXT_BYTES, None, True))
    try:
        experts = ggml.tensor_3d(context, llama.GGML_TYPE_Q4_K, 256, 256, 8)
        rows = ggml.tensor_3d(context, llama.GGML_TYPE_F32, 256, 4, 1)
        chosen = ggml.tensor_2d(context, llama.GGML_TYPE_I32, 4, 1)
        product = ggml.multiply_experts(context, experts, rows, chosen)
        mark = ggml.function(_MARK, c_bool, c_void_p, c_int, c_int)
        mark(product, _F32_PRECISION, 1)
        return bool(ggml.device_supports(device, product))
    finally:
        ggml.context_free(context)
