"""The `mistral4` architecture in NumPy, to see whether llama.cpp computes it: written from its description alone.

Latent attention with YaRN positions and the llama-4 attention temperature; routed experts, one of them shared.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class NumpyModel:
    """Hold the weights of the GGUF file at `path`; what its metadata says of positions and scales is not read."""

    def __init__(self, path: Path) -> None:
        reader = gguf.GGUFReader(path)
        self._weights = {
            tensor.name.removesuffix(".weight"): gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
            for tensor in reader.tensors
        }
        self._sizes: dict[str, Any] = {
            key.removeprefix("mistral4."): field.contents()
            for key, field in reader.fields.items()
            if key.startswith("mistral4.")
        }

    def logits(
        self, ids: npt.NDArray[np.int64], first_position: int, *, temperature: bool, attention_scale: float
    ) -> Array:
        """Return the logits [length, vocabulary] of `ids`, the first of which stands at `first_position`."""
        positions = np.arange(first_position, first_position + len(ids), dtype=np.float64)
        # In 32 bits, as engines have them: far from the start their last bits are seen in the logits.
        angles = (positions[:, None].astype(np.float32) * self._frequencies().astype(np.float32)).astype(np.float64)
        sharpening = 1 + 0.1 * np.log1p(np.floor(positions / 8192)) if temperature else np.ones(len(ids))
        hidden = self._weights["token_embd"][ids]
        for layer in range(self._sizes["block_count"]):
            block = f"blk.{layer}."
            normed = self._norm(hidden, f"{block}attn_norm")
            hidden = hidden + self._attend(normed, block, angles, sharpening * attention_scale)
            hidden = hidden + self._mix_experts(self._norm(hidden, f"{block}ffn_norm"), block)
        return self._norm(hidden, "output_norm") @ self._weights["output"].T

    def _norm(self, values: Array, name: str) -> Array:
        mean = np.mean(values**2, -1, keepdims=True)
        return values / np.sqrt(mean + 1e-6) * self._weights[name]

    def _attend(self, normed: Array, block: str, angles: Array, scale: Array) -> Array:
        weights = self._weights
        rope, latent_size = self._sizes["rope.dimension_count"], self._sizes["attention.kv_lora_rank"]
        length, heads = len(normed), self._sizes["attention.head_count"]
        narrow = self._norm(normed @ weights[f"{block}attn_q_a"].T, f"{block}attn_q_a_norm")
        query = (narrow @ weights[f"{block}attn_q_b"].T).reshape(length, heads, -1)
        both = normed @ weights[f"{block}attn_kv_a_mqa"].T
        latent = self._norm(both[:, :latent_size], f"{block}attn_kv_a_norm")
        key_turned = _turned(both[:, latent_size:], angles)
        mixed = np.empty((length, heads, weights[f"{block}attn_v_b"].shape[1]))
        for head in range(heads):
            key = np.hstack((latent @ weights[f"{block}attn_k_b"][head], key_turned))
            one = np.hstack((query[:, head, :-rope], _turned(query[:, head, -rope:], angles)))
            scores = one @ key.T * scale[:, None] / math.sqrt(one.shape[1])
            odds = _softmax(np.where(np.tri(length, dtype=bool), scores, -np.inf))
            mixed[:, head] = odds @ (latent @ weights[f"{block}attn_v_b"][head].T)
        return mixed.reshape(length, -1) @ weights[f"{block}attn_output"].T

    def _mix_experts(self, normed: Array, block: str) -> Array:
        weights = self._weights
        odds = _softmax(normed @ weights[f"{block}ffn_gate_inp"].T)
        shared = _gated(normed @ weights[f"{block}ffn_gate_shexp"].T, normed @ weights[f"{block}ffn_up_shexp"].T)
        mixed = shared @ weights[f"{block}ffn_down_shexp"].T
        for place, chances in enumerate(odds):
            chosen = np.argsort(-chances)[: self._sizes["expert_used_count"]]
            for expert in chosen:
                gate, up = np.split(weights[f"{block}ffn_gate_up_exps"][expert] @ normed[place], 2)
                added = weights[f"{block}ffn_down_exps"][expert] @ _gated(gate, up)
                mixed[place] += chances[expert] / chances[chosen].sum() * added
        return mixed

    def _frequencies(self) -> Array:
        """Return the angle by position of every pair of dimensions: YaRN, factor 128 from 8192, beta 32 and 1."""
        rope = self._sizes["rope.dimension_count"]
        pairs = np.arange(rope // 2)
        plain = 10000.0 ** (-2 * pairs / rope)
        low, high = (rope * math.log(8192 / (beta * 2 * math.pi)) / (2 * math.log(10000.0)) for beta in (32.0, 1.0))
        low, high = max(0, math.floor(low)), min(rope - 1, math.ceil(high))
        stretched = np.clip((pairs - low) / max(0.001, high - low), 0, 1)
        return plain / 128 * stretched + plain * (1 - stretched)


def _turned(values: Array, angles: Array) -> Array:
    even, odd = values[:, 0::2], values[:, 1::2]
    turned = np.empty_like(values)
    turned[:, 0::2] = even * np.cos(angles) - odd * np.sin(angles)
    turned[:, 1::2] = even * np.sin(angles) + odd * np.cos(angles)
    return turned


def _softmax(values: Array) -> Array:
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _gated(gate: Array, up: Array) -> Array:
    return gate / (1 + np.exp(-gate)) * up
