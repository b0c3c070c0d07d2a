"""Headers of well-known models at their real size, over holes: what llama.cpp needs to lay them out."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from gguf.constants import GGUFValueType

from tests.models.gguf_builder import Gguf, Raw, large_gguf, small_metadata

Tensors = list[tuple[str, tuple[int, ...], str]]


def vocabulary(size: int) -> dict[str, Any]:
    types = struct.pack(f"<{size}i", *[1] * size)
    return {
        "tokenizer.ggml.pre": "llama-bpe",
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.tokens": [f"token{number}" for number in range(size)],
        "tokenizer.ggml.merges": ["t o", "to k"],
        "tokenizer.ggml.token_type": Raw(struct.pack("<IIQ", 9, GGUFValueType.INT32, size) + types),
        "general.file_type": 15,
    }


def matrix(name: str, columns: int, rows: int, kind: str = "Q4_K") -> tuple[str, tuple[int, ...], str]:
    return (f"{name}.weight", (columns, rows), kind)


def norm(name: str, width: int) -> tuple[str, tuple[int, ...], str]:
    return (f"{name}.weight", (width,), "F32")


def attention(layer: int, width: int, heads: tuple[int, int], head: int, *, normed: bool) -> Tensors:
    queries, keys = heads
    block = f"blk.{layer}."
    tensors = [
        norm(f"{block}attn_norm", width),
        matrix(f"{block}attn_q", width, queries * head),
        matrix(f"{block}attn_k", width, keys * head),
        matrix(f"{block}attn_v", width, keys * head, "Q6_K"),
        matrix(f"{block}attn_output", queries * head, width),
    ]
    return [*tensors, norm(f"{block}attn_q_norm", head), norm(f"{block}attn_k_norm", head)] if normed else tensors


def feed_forward(layer: int, width: int, inner: int) -> Tensors:
    block = f"blk.{layer}."
    return [
        norm(f"{block}ffn_norm", width),
        matrix(f"{block}ffn_gate", width, inner),
        matrix(f"{block}ffn_up", width, inner),
        matrix(f"{block}ffn_down", inner, width, "Q6_K" if layer % 2 else "Q4_K"),
    ]


def experts(layer: int, width: int, inner: int, count: int) -> Tensors:
    block = f"blk.{layer}."
    return [
        norm(f"{block}ffn_norm", width),
        (f"{block}ffn_gate_inp.weight", (width, count), "F32"),
        (f"{block}ffn_gate_exps.weight", (width, inner, count), "Q4_K"),
        (f"{block}ffn_up_exps.weight", (width, inner, count), "Q4_K"),
        (f"{block}ffn_down_exps.weight", (inner, width, count), "Q6_K" if layer % 2 else "Q4_K"),
    ]


def ends(width: int, size: int, *, tied: bool = False, last_norm: str = "output_norm") -> Tensors:
    tensors = [matrix("token_embd", width, size, "Q6_K" if tied else "Q4_K"), norm(last_norm, width)]
    return tensors if tied else [*tensors, matrix("output", width, size, "Q6_K")]


def llama(n_layers: int, width: int, inner: int, heads: tuple[int, int], size: int, head: int = 128) -> Gguf:
    metadata = small_metadata(
        "llama",
        block_count=n_layers,
        embedding_length=width,
        context_length=131072,
        feed_forward_length=inner,
        vocab_size=size,
        attention__head_count=heads[0],
        attention__head_count_kv=heads[1],
        attention__key_length=head,
        attention__value_length=head,
        attention__layer_norm_rms_epsilon=1e-5,
        rope__dimension_count=head,
        rope__freq_base=500000.0,
    )
    tensors = ends(width, size)
    for layer in range(n_layers):
        tensors += attention(layer, width, heads, head, normed=False) + feed_forward(layer, width, inner)
    return Gguf(metadata | vocabulary(size), tensors)


def qwen3_30b_a3b() -> Gguf:
    metadata = small_metadata(
        "qwen3moe",
        block_count=48,
        embedding_length=2048,
        context_length=262144,
        feed_forward_length=6144,
        expert_feed_forward_length=768,
        expert_count=128,
        expert_used_count=8,
        attention__head_count=32,
        attention__head_count_kv=4,
        attention__key_length=128,
        attention__value_length=128,
        attention__layer_norm_rms_epsilon=1e-6,
        rope__freq_base=1e7,
    )
    tensors = ends(2048, 151936)
    for layer in range(48):
        tensors += attention(layer, 2048, (32, 4), 128, normed=True) + experts(layer, 2048, 768, 128)
    return Gguf(metadata | vocabulary(151936), tensors)


def gemma3_27b() -> Gguf:
    """Return a model whose layers have a sliding window of 1,024 tokens, five of six, and a tied output."""
    metadata = small_metadata(
        "gemma3",
        block_count=62,
        embedding_length=5376,
        context_length=131072,
        feed_forward_length=21504,
        attention__head_count=32,
        attention__head_count_kv=16,
        attention__key_length=128,
        attention__value_length=128,
        attention__sliding_window=1024,
        attention__layer_norm_rms_epsilon=1e-6,
        rope__freq_base=1e6,
    )
    tensors = ends(5376, 262144, tied=True)
    for layer in range(62):
        tensors += attention(layer, 5376, (32, 16), 128, normed=True) + feed_forward(layer, 5376, 21504)
        tensors += [norm(f"blk.{layer}.post_attention_norm", 5376), norm(f"blk.{layer}.post_ffw_norm", 5376)]
    return Gguf(metadata | vocabulary(262144), tensors)


def lfm2_2_6b() -> Gguf:
    """Return a hybrid: short convolutions in most layers, attention in eight of thirty."""
    attends = (2, 5, 9, 12, 16, 19, 22, 26)
    metadata = small_metadata(
        "lfm2",
        block_count=30,
        embedding_length=2048,
        context_length=128000,
        feed_forward_length=10752,
        attention__head_count=32,
        attention__head_count_kv=Raw(
            struct.pack("<IIQ30i", 9, GGUFValueType.INT32, 30, *[8 if layer in attends else 0 for layer in range(30)])
        ),
        attention__layer_norm_rms_epsilon=1e-5,
        shortconv__l_cache=3,
        rope__freq_base=1e6,
    )
    tensors = ends(2048, 65536, tied=True, last_norm="token_embd_norm")
    for layer in range(30):
        tensors += feed_forward(layer, 2048, 10752)
        if layer in attends:
            tensors += attention(layer, 2048, (32, 8), 64, normed=True)
            continue
        block = f"blk.{layer}."
        tensors += [
            norm(f"{block}attn_norm", 2048),
            (f"{block}shortconv.conv.weight", (3, 2048), "F32"),
            matrix(f"{block}shortconv.in_proj", 2048, 3 * 2048),
            matrix(f"{block}shortconv.out_proj", 2048, 2048),
        ]
    return Gguf(metadata | vocabulary(65536), tensors)


HEADERS: dict[str, Callable[[], Gguf]] = {
    "mistral4 119B": large_gguf,
    "llama 8B": lambda: llama(32, 4096, 14336, (32, 8), 128256),
    "mistral 24B": lambda: llama(40, 5120, 32768, (32, 8), 131072),
    "llama 70B": lambda: llama(80, 8192, 28672, (64, 8), 128256),
    "qwen3moe 30B": qwen3_30b_a3b,
    "gemma3 27B": gemma3_27b,
    "lfm2 2.6B": lfm2_2_6b,
}
