"""A small `mamba` model: a memory that sums up what it has read, and can't forget its end alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from scripts.model_files.text_model import add_vocabulary, write_model
from scripts.model_files.vocabulary import SMALL_RANKS, Vocabulary, load_tekken

_WIDTH, _LAYERS, _CONV, _STATE, _RANK = 64, 2, 4, 16, 8
_INNER = 2 * _WIDTH


def write_recurrent(path: Path) -> Path:
    """Write a random model of 32-bit floats."""
    vocabulary = load_tekken(SMALL_RANKS)
    writer = gguf.GGUFWriter(None, "mamba")
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Mini Mamba")
    writer.add_block_count(_LAYERS)
    writer.add_context_length(1 << 20)
    writer.add_embedding_length(_WIDTH)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_ssm_conv_kernel(_CONV)
    writer.add_ssm_inner_size(_INNER)
    writer.add_ssm_state_size(_STATE)
    writer.add_ssm_time_step_rank(_RANK)
    writer.add_layer_norm_rms_eps(1e-5)
    add_vocabulary(writer, vocabulary)
    write_model(path, writer, _tensors(vocabulary))
    return path


def _tensors(vocabulary: Vocabulary) -> Iterator[tuple[str, Any]]:
    source = np.random.default_rng(1)

    def normal(*shape: int) -> Any:
        return source.standard_normal(shape, np.float32) * np.float32(shape[-1] ** -0.5)

    yield "token_embd.weight", source.standard_normal((vocabulary.size, _WIDTH), np.float32)
    yield "output_norm.weight", np.ones(_WIDTH, np.float32)
    output = np.zeros((vocabulary.size, _WIDTH), np.float32)
    speakable = vocabulary.speakable_ids
    output[speakable] = source.standard_normal((len(speakable), _WIDTH), np.float32) / 2
    yield "output.weight", output
    for layer in range(_LAYERS):
        block = {
            "attn_norm.weight": np.ones(_WIDTH, np.float32),
            "ssm_in.weight": normal(2 * _INNER, _WIDTH),
            "ssm_conv1d.weight": normal(_INNER, _CONV),
            "ssm_conv1d.bias": np.zeros(_INNER, np.float32),
            "ssm_x.weight": normal(_RANK + 2 * _STATE, _INNER),
            "ssm_dt.weight": normal(_INNER, _RANK),
            "ssm_dt.bias": np.zeros(_INNER, np.float32),
            "ssm_a": -np.ones((_INNER, _STATE), np.float32) * np.arange(1, _STATE + 1, dtype=np.float32),
            "ssm_d": np.ones(_INNER, np.float32),
            "ssm_out.weight": normal(_WIDTH, _INNER),
        }
        for name, weights in block.items():
            yield f"blk.{layer}.{name}", weights
