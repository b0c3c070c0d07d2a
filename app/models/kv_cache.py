"""Tell from a model's metadata how large the cache of each layer is, by the rules of llama.cpp.

Sources: `llama-hparams.cpp`, `llama-kv-cache.cpp` and `llama-memory-recurrent.cpp`. Layers with a sliding
window count in full: the engine keeps whole windows, because a cache cut to the window can't be taken back
to an earlier point of the conversation.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.facts import LayerCache
from app.models.gguf_metadata import Metadata

_F16_BYTES, _F32_BYTES = 2, 4
_RECURRENT_ARCHS = frozenset({"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"})
# Mixed architectures that name no interval in the file but have one in llama.cpp.
_DEFAULT_INTERVALS = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4, "qwen4exp": 4, "minimax-01": 8}
# Architectures in which llama.cpp keeps two masks: for all of the context and for a sliding window of it.
_WINDOW_ARCHS = frozenset(
    {"afmoe", "cohere2", "cohere2moe", "exaone-moe", "exaone4", "gemma2", "gemma3", "gemma3n", "gemma4", "gpt-oss"}
    | {"granite-swa", "laguna", "lfm2", "llama4", "mimo2", "olmo2", "plamo3", "smallthinker", "step35"}
)
# In these every layer has both an attention cache and a recurrent state.
_PARALLEL_ARCHS = frozenset({"falcon-h1"})
_MAX_LENGTH = 1 << 20


@dataclass(frozen=True, slots=True)
class _Heads:
    """Hold how many values of a token one KV head keeps."""

    key: int
    value: int


def layer_caches(metadata: Metadata, n_layers: int) -> tuple[LayerCache, ...]:
    """Return every layer's cache for an f16 KV cache and one sequence. Raises ModelFileDamaged."""
    kv_heads = _kv_heads(metadata, n_layers)
    recurrent = _recurrent_layers(metadata, n_layers, kv_heads)
    without_cache = metadata.integer("attention.shared_kv_layers", 0, high=n_layers)
    indexer_bytes = metadata.integer("attention.indexer.key_length", 0, high=_MAX_LENGTH) * _F16_BYTES
    state_bytes = _state_bytes(metadata)
    heads = _heads(metadata)
    caches: list[LayerCache] = []
    for layer, n_heads in enumerate(kv_heads):
        attends = layer < n_layers - without_cache and (not recurrent[layer] or metadata.arch in _PARALLEL_ARCHS)
        per_token = n_heads * (heads.key + heads.value) * _F16_BYTES + indexer_bytes if attends else 0
        caches.append(LayerCache(per_token, state_bytes if recurrent[layer] else 0))
    return tuple(caches)


def count_masks(metadata: Metadata) -> int:
    """Return how many attention masks llama.cpp keeps for a batch: 2 with a sliding window, otherwise 1."""
    window = metadata.first_integer("attention.sliding_window", 0, high=_MAX_LENGTH)
    has_window = metadata.arch == "llama4" or (metadata.arch in _WINDOW_ARCHS and window > 0)
    return 2 if has_window else 1


def _kv_heads(metadata: Metadata, n_layers: int) -> tuple[int, ...]:
    heads = metadata.per_layer("attention.head_count", n_layers, default=(0,) * n_layers)
    return metadata.per_layer("attention.head_count_kv", n_layers, default=heads)


def _heads(metadata: Metadata) -> _Heads:
    n_heads = metadata.first_integer("attention.head_count", 0, high=_MAX_LENGTH)
    default = metadata.integer("embedding_length", 0, high=_MAX_LENGTH) // n_heads if n_heads else 0
    key = _length(metadata, "attention.key_length", default)
    value = _length(metadata, "attention.value_length", default)
    # MLA stores one compressed row as key and reads the value out of it.
    mla = ("attention.key_length_mla", "attention.value_length_mla")
    if all(metadata.integer(name, 0, high=_MAX_LENGTH) for name in mla):
        value = 0
    return _Heads(key, value)


def _length(metadata: Metadata, name: str, default: int) -> int:
    """Return the larger of the lengths for full and for sliding-window attention."""
    full = metadata.integer(name, default, high=_MAX_LENGTH)
    return max(full, metadata.integer(f"{name}_swa", 0, high=_MAX_LENGTH))


def _recurrent_layers(metadata: Metadata, n_layers: int, kv_heads: tuple[int, ...]) -> tuple[bool, ...]:
    if metadata.arch in _RECURRENT_ARCHS | _PARALLEL_ARCHS:
        return (True,) * n_layers
    if metadata.has("attention.recurrent_layers"):
        listed = metadata.per_layer("attention.recurrent_layers", n_layers, default=(0,) * n_layers)
        return tuple(bool(is_recurrent) for is_recurrent in listed)
    interval = metadata.integer("full_attention_interval", _DEFAULT_INTERVALS.get(metadata.arch, 0), high=_MAX_LENGTH)
    if interval:
        return tuple((layer + 1) % interval != 0 for layer in range(n_layers))
    has_state = metadata.has("ssm.state_size") or metadata.has("shortconv.l_cache") or metadata.has("kda.head_dim")
    return tuple(has_state and not n_heads for n_heads in kv_heads)


def _state_bytes(metadata: Metadata) -> int:
    """Return what a recurrent layer keeps of everything before, in f32."""
    state = metadata.integer("ssm.state_size", 0, high=_MAX_LENGTH)
    inner = metadata.integer("ssm.inner_size", 0, high=_MAX_LENGTH)
    groups = metadata.integer("ssm.group_count", 0, high=_MAX_LENGTH)
    kernel = metadata.integer("ssm.conv_kernel", 0, high=_MAX_LENGTH)
    embedding = metadata.integer("embedding_length", 0, high=_MAX_LENGTH)
    scan = state * inner + max(kernel - 1, 0) * (inner + 2 * groups * state)
    rwkv = embedding * (metadata.integer("wkv.head_size", 0, high=_MAX_LENGTH) + 2)
    short_convolution = embedding * metadata.integer("shortconv.l_cache", 0, high=_MAX_LENGTH)
    kda = metadata.integer("kda.head_dim", 0, high=_MAX_LENGTH)
    n_heads = metadata.first_integer("attention.head_count", 0, high=_MAX_LENGTH)
    return max(scan, rwkv if metadata.has("wkv.head_size") else 0, short_convolution, kda * kda * n_heads) * _F32_BYTES
