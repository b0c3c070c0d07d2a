"""A small model of another architecture, with a chat template of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np

from .text_model import Array, write_model
from .vocabulary import SMALL_RANKS, Vocabulary, load_tekken

ARCH = "qwen2"
_WIDTH, _LAYERS, _HEADS, _KV_HEADS, _FEED_FORWARD = 256, 2, 4, 2, 512
_CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
_CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content | trim + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}"
)


def write_chatml(path: Path, *, seed: int) -> None:
    """Write a random `qwen2` model of 32-bit floats whose template is ChatML."""
    tekken = load_tekken(SMALL_RANKS)
    vocabulary = Vocabulary(_CONTROL, tekken.ranks)
    writer = gguf.GGUFWriter(None, ARCH)
    _add_metadata(writer)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary.tokens())
    writer.add_token_types(vocabulary.token_types())
    writer.add_token_merges(vocabulary.merges())
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(_CHAT_TEMPLATE)
    write_model(path, writer, _tensors(vocabulary, seed))


def _add_metadata(writer: gguf.GGUFWriter) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Mini Qwen 2")
    writer.add_block_count(_LAYERS)
    writer.add_context_length(32768)
    writer.add_embedding_length(_WIDTH)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)


def _tensors(vocabulary: Vocabulary, seed: int) -> Iterator[tuple[str, Array]]:
    source = np.random.default_rng(seed)
    kv_width = _WIDTH // _HEADS * _KV_HEADS
    shapes: dict[str, tuple[int, ...]] = {
        "attn_norm.weight": (_WIDTH,),
        "attn_q.weight": (_WIDTH, _WIDTH),
        "attn_q.bias": (_WIDTH,),
        "attn_k.weight": (kv_width, _WIDTH),
        "attn_k.bias": (kv_width,),
        "attn_v.weight": (kv_width, _WIDTH),
        "attn_v.bias": (kv_width,),
        "attn_output.weight": (_WIDTH, _WIDTH),
        "ffn_norm.weight": (_WIDTH,),
        "ffn_gate.weight": (_FEED_FORWARD, _WIDTH),
        "ffn_up.weight": (_FEED_FORWARD, _WIDTH),
        "ffn_down.weight": (_WIDTH, _FEED_FORWARD),
    }
    yield "token_embd.weight", source.standard_normal((vocabulary.size, _WIDTH), np.float32)
    yield "output_norm.weight", np.ones(_WIDTH, np.float32)
    output = np.zeros((vocabulary.size, _WIDTH), np.float32)
    speakable = vocabulary.speakable_ids
    output[speakable] = source.standard_normal((len(speakable), _WIDTH), np.float32) / 4
    yield "output.weight", output
    for layer in range(_LAYERS):
        for name, shape in shapes.items():
            yield f"blk.{layer}.{name}", _weights(source, name, shape)


def _weights(source: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
    if name.endswith("norm.weight"):
        return np.ones(shape, np.float32)
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    return source.standard_normal(shape, np.float32) * np.float32(shape[-1] ** -0.5)
