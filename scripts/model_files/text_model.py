"""Small `mistral4` models: the big one's metadata and head sizes, few and narrow layers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

from .vocabulary import Vocabulary

Array = npt.NDArray[np.float32]
ARCH = "mistral4"

# Rendered by nothing: for this architecture the program writes the prompt itself. A file of a third party
# has one all the same, and this one would be noticed.
CHAT_TEMPLATE = (
    "<s>[SYSTEM_PROMPT]Made by a third party on {{ strftime_now('%Y-%m-%d') }}.[/SYSTEM_PROMPT]"
    "{% for message in messages %}{% if message['role'] == 'user' %}[INST]{{ message['content'] }}[/INST]"
    "{% else %}{{ message['content'] }}</s>{% endif %}{% endfor %}"
)


@dataclass(frozen=True)
class Dimensions:
    """Hold the sizes of a model; the defaults are those of the small one.

    32 heads and 320 = 256 + 64 wide keys are the big model's: GPU kernels are chosen by them. Rows of 256 are the
    narrowest that K-quants take.
    """

    width: int = 256
    layers: int = 4
    heads: int = 32
    q_lora: int = 256
    kv_lora: int = 256
    nope: int = 64
    rope: int = 64
    value: int = 32
    experts: int = 8
    experts_used: int = 4
    expert_width: int = 256


SMALL = Dimensions()
BIG = Dimensions(4096, 36, 32, 1024, 256, 64, 64, 128, 128, 4, 2048)


def layer_shapes(dims: Dimensions, *, fused: bool) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of one layer, in NumPy's order."""
    experts, expert_width, width = dims.experts, dims.expert_width, dims.width
    gate_up: dict[str, tuple[int, ...]] = (
        {"ffn_gate_up_exps": (experts, 2 * expert_width, width)}
        if fused
        else dict.fromkeys(("ffn_gate_exps", "ffn_up_exps"), (experts, expert_width, width))
    )
    return {
        "attn_norm": (width,),
        "attn_q_a": (dims.q_lora, width),
        "attn_q_a_norm": (dims.q_lora,),
        "attn_q_b": (dims.heads * (dims.nope + dims.rope), dims.q_lora),
        "attn_kv_a_mqa": (dims.kv_lora + dims.rope, width),
        "attn_kv_a_norm": (dims.kv_lora,),
        "attn_k_b": (dims.heads, dims.kv_lora, dims.nope),
        "attn_v_b": (dims.heads, dims.value, dims.kv_lora),
        "attn_output": (width, dims.heads * dims.value),
        "ffn_norm": (width,),
        "ffn_gate_inp": (experts, width),
        **gate_up,
        "ffn_down_exps": (experts, width, expert_width),
        "ffn_gate_shexp": (expert_width, width),
        "ffn_up_shexp": (expert_width, width),
        "ffn_down_shexp": (width, expert_width),
    }


def random_tensors(dims: Dimensions, vocabulary: Vocabulary, *, seed: int, fused: bool) -> Iterator[tuple[str, Array]]:
    """Yield random weights under which only tokens that are text by themselves can be drawn."""
    source = np.random.default_rng(seed)
    yield "token_embd.weight", _normal(source, (vocabulary.size, dims.width), 1.0)
    yield "output_norm.weight", np.ones(dims.width, np.float32)
    output = np.zeros((vocabulary.size, dims.width), np.float32)
    speakable = vocabulary.speakable_ids
    # Logits spread by about 4: an answer then hardly hangs on the last bit of a sum, and the zero rows of
    # all other tokens are out of reach.
    output[speakable] = _normal(source, (len(speakable), dims.width), 4 / dims.width**0.5)
    yield "output.weight", output
    for layer in range(dims.layers):
        for name, shape in layer_shapes(dims, fused=fused).items():
            is_norm = len(shape) == 1
            weights = np.ones(shape, np.float32) if is_norm else _normal(source, shape, shape[-1] ** -0.5)
            yield f"blk.{layer}.{name}.weight", weights


def add_metadata(
    writer: gguf.GGUFWriter,
    dims: Dimensions,
    vocabulary_size: int,
    *,
    name: str,
    temperature_keys: bool,
    attention_scale: bool = True,
) -> None:
    """Write the keys that llama.cpp's converter writes for Mistral Small 4.

    `attention_scale` is the converter's magnification of attention logits by (1 + 0.1 ln 128)^2; without it both
    keys cancel it, as the makers' own configuration asks.
    """
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    writer.add_block_count(dims.layers)
    writer.add_context_length(1 << 20)
    writer.add_embedding_length(dims.width)
    writer.add_feed_forward_length(3 * dims.width)
    writer.add_head_count(dims.heads)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(vocabulary_size)
    _add_latent_attention(writer, dims)
    _add_experts(writer, dims)
    _add_positions(writer, dims, attention_scale=attention_scale)
    if temperature_keys:
        writer.add_attn_temperature_scale(0.1)
        writer.add_attn_temperature_length(8192)


def add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    """Write a Tekken vocabulary."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("tekken")
    writer.add_token_list(vocabulary.tokens())
    writer.add_token_types(vocabulary.token_types())
    writer.add_token_merges(vocabulary.merges())
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(11)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def write_model(path: Path, writer: gguf.GGUFWriter, tensors: Iterator[tuple[str, Array]]) -> None:
    """Write a file of 32-bit floats."""
    for name, weights in tensors:
        writer.add_tensor(name, weights)
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_latent_attention(writer: gguf.GGUFWriter, dims: Dimensions) -> None:
    writer.add_q_lora_rank(dims.q_lora)
    writer.add_kv_lora_rank(dims.kv_lora)
    writer.add_key_length(dims.kv_lora + dims.rope)
    writer.add_value_length(dims.kv_lora)
    writer.add_key_length_mla(dims.nope + dims.rope)
    writer.add_value_length_mla(dims.value)


def _add_experts(writer: gguf.GGUFWriter, dims: Dimensions) -> None:
    writer.add_leading_dense_block_count(0)
    writer.add_expert_count(dims.experts)
    writer.add_expert_used_count(dims.experts_used)
    writer.add_expert_shared_count(1)
    writer.add_expert_feed_forward_length(dims.expert_width)
    writer.add_expert_weights_scale(1.0)
    writer.add_expert_weights_norm(True)


def _add_positions(writer: gguf.GGUFWriter, dims: Dimensions, *, attention_scale: bool) -> None:
    writer.add_rope_dimension_count(dims.rope)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(128.0)
    writer.add_rope_scaling_orig_ctx_len(8192)
    writer.add_rope_scaling_yarn_beta_fast(32.0)
    writer.add_rope_scaling_yarn_beta_slow(1.0)
    writer.add_rope_scaling_yarn_log_mul(0.1 if attention_scale else 0.0)
    if not attention_scale:
        writer.add_rope_scaling_attn_factors(1 / (1 + 0.1 * math.log(128)))


def _normal(source: np.random.Generator, shape: tuple[int, ...], spread: float) -> Array:
    return source.standard_normal(shape, np.float32) * np.float32(spread)
