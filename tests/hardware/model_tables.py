"""Tensor tables of well-known models, as facts."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from app.core.facts import LayerCache, ModelFacts, ProjectorFacts, TensorFact, TensorRole

DATA = Path(__file__).resolve().parents[1] / "data"
ROLES = {
    "token_embd": TensorRole.EMBEDDING,
    "output": TensorRole.OUTPUT,
    "ffn_gate_inp": TensorRole.ROUTER,
    "ffn_gate_up_exps": TensorRole.GATE_UP_EXPERTS,
    "ffn_gate_exps": TensorRole.GATE_UP_EXPERTS,
    "ffn_up_exps": TensorRole.GATE_UP_EXPERTS,
    "ffn_down_exps": TensorRole.DOWN_EXPERTS,
}


def tensor(name: str, shape: tuple[int, ...], kind: str) -> TensorFact:
    items, size = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    count = 1
    for dimension in shape:
        count *= dimension
    stem = name.split(".")[2 if name.startswith("blk.") else 0]
    role = ROLES.get(stem, TensorRole.NORM if stem.endswith("norm") else TensorRole.ATTENTION)
    layer = int(name.split(".")[1]) if name.startswith("blk.") else None
    return TensorFact(name, shape, kind, count // items * size, role, layer)


def facts(arch: str, tensors: list[TensorFact], layer_bytes: list[int], **own: object) -> ModelFacts:
    values = {
        "path": Path("/models/m.gguf"),
        "files": (Path("/models/m.gguf"),),
        "arch": arch,
        "name": arch.title(),
        "quantization": "Q4_K_M",
        "n_layers": len(layer_bytes),
        "embedding_length": 4096,
        "vocabulary_size": 131072,
        "training_context": 1048576,
        "kv_bytes_per_token": sum(layer_bytes),
        "expert_count": 0,
        "experts_used": 0,
        "file_bytes": sum(tensor.n_bytes for tensor in tensors),
        "tensors": tuple(tensors),
        "chat_template": None,
        "has_attention_temperature": False,
        "layer_caches": tuple(LayerCache(size) for size in layer_bytes),
    }
    return ModelFacts(**(values | own))  # type: ignore[arg-type]  # a table of fields


@functools.cache
def mistral_119b(arch: str = "mistral4") -> ModelFacts:
    table = json.loads((DATA / "small4-q4_k_m.json").read_text())["tensors"]
    tensors = [tensor(name, tuple(shape), kind) for name, shape, kind in table]
    return facts(arch, tensors, [640] * 36, expert_count=128, experts_used=4)


@functools.cache
def dense(n_layers: int, width: int, inner: int, *, tied: bool = False) -> ModelFacts:
    tensors = [tensor("token_embd.weight", (width, 128256), "Q4_K"), tensor("output_norm.weight", (width,), "F32")]
    if not tied:
        tensors.append(tensor("output.weight", (width, 128256), "Q6_K"))
    tensors.append(tensor("rope_freqs.weight", (64,), "F32"))
    for layer in range(n_layers):
        down = "Q6_K" if layer % 3 == 0 else "Q4_K"
        tensors += [
            tensor(f"blk.{layer}.attn_norm.weight", (width,), "F32"),
            tensor(f"blk.{layer}.attn_q.weight", (width, width), "Q4_K"),
            tensor(f"blk.{layer}.attn_k.weight", (width, 1024), "Q4_K"),
            tensor(f"blk.{layer}.attn_v.weight", (width, 1024), down),
            tensor(f"blk.{layer}.attn_output.weight", (width, width), "Q4_K"),
            tensor(f"blk.{layer}.ffn_gate.weight", (width, inner), "Q4_K"),
            tensor(f"blk.{layer}.ffn_up.weight", (width, inner), "Q4_K"),
            tensor(f"blk.{layer}.ffn_down.weight", (inner, width), down),
        ]
    return facts("llama", tensors, [4096] * n_layers, embedding_length=width, training_context=131072)


def dense_8b() -> ModelFacts:
    return dense(32, 4096, 14336)


def dense_70b() -> ModelFacts:
    return dense(80, 8192, 28672)


@functools.cache
def moe_30b() -> ModelFacts:
    """Return a model with unfused experts, a dense first layer, a tied output and a cache in every fourth layer."""
    tensors = [tensor("token_embd.weight", (2048, 151936), "Q6_K"), tensor("output_norm.weight", (2048,), "F32")]
    for layer in range(48):
        down = "Q6_K" if layer % 8 < 3 else "Q4_K"
        tensors += [
            tensor(f"blk.{layer}.attn_q.weight", (2048, 4096), "Q4_K"),
            tensor(f"blk.{layer}.attn_output.weight", (4096, 2048), "Q4_K"),
        ]
        if layer == 0:
            tensors.append(tensor("blk.0.ffn_down.weight", (6144, 2048), "Q6_K"))
            continue
        tensors += [
            tensor(f"blk.{layer}.ffn_gate_inp.weight", (2048, 128), "F32"),
            tensor(f"blk.{layer}.ffn_gate_exps.weight", (2048, 768, 128), "Q4_K"),
            tensor(f"blk.{layer}.ffn_up_exps.weight", (2048, 768, 128), "Q4_K"),
            tensor(f"blk.{layer}.ffn_down_exps.weight", (768, 2048, 128), down),
        ]
    caches = [2048 if layer % 4 == 3 else 0 for layer in range(48)]
    own = {"expert_count": 128, "experts_used": 8, "embedding_length": 2048, "training_context": 262144}
    return facts("qwen3moe", tensors, caches, **own)


PROJECTOR = ProjectorFacts(Path("/models/mmproj.gguf"), "pixtral", 14, 1540, 2, 4096, 830_000_000)


def says(text: str) -> list[str]:
    """Return a command that stands in for the engine and writes `text`."""
    return [sys.executable, "-c", f"print({text!r})"]
