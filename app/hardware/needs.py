"""Add up what every part of a model needs, layer by layer, and what comes on top of the weights.

Two estimates stand in for what only llama.cpp itself knows; docs/placement.md gives their reasons.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.core.facts import LayerCache, ModelFacts, ProjectorFacts, TensorFact, TensorRole

MIB = 1 << 20
GIB = 1 << 30
UBATCH_TOKENS = 512
# What a CUDA process takes before the first weight: context, kernels, cuBLAS and scratch pools.
RUNTIME_BYTES = 512 * MIB
HOST_PROCESS_BYTES = 512 * MIB
CONTEXT_STEP = 256  # llama.cpp rounds contexts up to it
PIPELINE_COPIES = 4  # of a batch's inputs, when llama.cpp runs several GPUs as a pipeline
IMAGE_BYTES_PER_PATCH = 64 << 10

# Bytes of a cache of each type per byte of an f16 one: blocks of 32 values with a 16-bit scale.
KV_SHARES = {"f16": 1.0, "q8_0": 34 / 64, "q4_0": 18 / 64}
PINNABLE = re.compile(r"blk\.\d+\.ffn_(gate_up|gate|up|down)")
_EXPERTS = re.compile(r"blk\.\d+\.ffn_(gate_up|gate|up|down)_exps\b")


@dataclass(slots=True)
class Slot:
    """Hold the needs of one layer, or of the output, which llama.cpp places like one more layer.

    `experts` maps a kind (gate_up, gate, up, down) to bytes. `shared_bytes` is a copy of a tensor that is
    counted elsewhere: it costs only on a GPU. `feed_forward_bytes` is a part of `dense_bytes`. What the person
    pinned to a device (`pinned_to`) is in `pinned_bytes` and nowhere else.
    """

    cache: LayerCache
    dense_bytes: int = 0
    shared_bytes: int = 0
    experts: dict[str, int] = field(default_factory=dict)
    feed_forward_bytes: int = 0
    pinned_bytes: int = 0
    pinned_experts_bytes: int = 0
    pinned_to: str = ""

    def pin(self, target: str) -> None:
        """Take the feed-forward part, experts and all, out of what is placed freely."""
        self.pinned_to = target
        self.pinned_experts_bytes = sum(self.experts.values())
        self.pinned_bytes = self.feed_forward_bytes + self.pinned_experts_bytes
        self.dense_bytes -= self.feed_forward_bytes
        self.feed_forward_bytes = 0
        self.experts = {}

    def fixed_bytes(self, context_tokens: int) -> int:
        """Return what a GPU must hold to run this slot, routed experts apart."""
        return self.dense_bytes + self.shared_bytes + self.cache_bytes(context_tokens)

    def cache_bytes(self, context_tokens: int) -> int:
        """Return the size of this slot's cache."""
        cells = -(-context_tokens // CONTEXT_STEP) * CONTEXT_STEP
        return self.cache.bytes_per_token * cells + self.cache.state_bytes

    def expert_bytes(self, kinds: frozenset[str]) -> int:
        """Return the size of the routed experts of these kinds."""
        return sum(size for kind, size in self.experts.items() if kind in kinds)


@dataclass(frozen=True, slots=True)
class Needs:
    """Hold a model's needs: its layers and then the output as `slots`, and what always stays on the CPU.

    `experts_read` is the share of the routed experts that one token uses, 0 to 1.
    """

    slots: tuple[Slot, ...]
    embedding_bytes: int
    activation_bytes: int
    projector_bytes: int
    experts_read: float = 1.0
    masks: int = 1

    @property
    def model_bytes(self) -> int:
        """Return the size of all tensors, each counted once."""
        slots = self.slots
        return self.embedding_bytes + sum(
            slot.dense_bytes + sum(slot.experts.values()) + slot.pinned_bytes for slot in slots
        )

    def grain_bytes(self, kinds: frozenset[str]) -> int:
        """Return the size of the smallest tensor of experts, 1 without any."""
        sizes = (size for slot in self.slots for kind, size in slot.experts.items() if kind in kinds)
        return max(min(sizes, default=1), 1)

    def pinned_bytes(self, target: str) -> int:
        """Return what the person pinned to `target`."""
        return sum(slot.pinned_bytes for slot in self.slots if slot.pinned_to == target)

    def staging_bytes(self, kinds: frozenset[str]) -> int:
        """Return the largest layer: what the first GPU borrows from RAM at a time while reading a prompt."""
        return max(slot.dense_bytes + slot.expert_bytes(kinds) for slot in self.slots[:-1])

    def compute_bytes(self, context_tokens: int, copies: int) -> int:
        """Return the scratch memory of one device for a batch: activations and attention masks."""
        mask_bytes = 2 * UBATCH_TOKENS * context_tokens * self.masks  # f16, one row per token of the batch
        return self.activation_bytes + mask_bytes * copies


def add_up(
    model: ModelFacts,
    projector: ProjectorFacts | None,
    kv_type: str = "f16",
    pins: Mapping[int, str] | None = None,
) -> Needs:
    """Return what `model` and `projector` need.

    `pins` sends the feed-forward part of a layer, experts and all, to a device. Raises KeyError for an
    unknown `kv_type`.
    """
    slots = tuple(Slot(cache=cache) for cache in (*_caches(model, kv_type), LayerCache(0)))
    embedding_bytes = 0
    for tensor in model.tensors:
        experts = _EXPERTS.match(tensor.name)
        if tensor.role is TensorRole.EMBEDDING:
            embedding_bytes += tensor.n_bytes
        elif experts and tensor.layer is not None:
            kinds = slots[tensor.layer].experts
            kinds[experts[1]] = kinds.get(experts[1], 0) + tensor.n_bytes
        else:
            slot = slots[_slot_index(tensor, model.n_layers)]
            slot.dense_bytes += tensor.n_bytes
            if PINNABLE.match(tensor.name):
                slot.feed_forward_bytes += tensor.n_bytes
    slots[-1].shared_bytes = _tied_output_bytes(model)
    for layer, target in (pins or {}).items():
        slots[layer].pin(target)
    experts_read = model.experts_used / model.expert_count if model.expert_count else 1.0
    return Needs(
        slots,
        embedding_bytes,
        _activation_bytes(model),
        _projector_bytes(projector),
        experts_read,
        model.attention_masks,
    )


def _caches(model: ModelFacts, kv_type: str) -> tuple[LayerCache, ...]:
    share = KV_SHARES[kv_type]
    caches = model.layer_caches or (LayerCache(-(-model.kv_bytes_per_token // model.n_layers)),) * model.n_layers
    return tuple(LayerCache(math.ceil(cache.bytes_per_token * share), cache.state_bytes) for cache in caches)


def _slot_index(tensor: TensorFact, n_layers: int) -> int:
    """Return the slot llama.cpp puts a tensor into; the embedding's norm and RoPE tables go with layer 0."""
    if tensor.layer is not None:
        return tensor.layer
    at_the_end = tensor.role is TensorRole.OUTPUT or tensor.name.startswith("output")
    return n_layers if at_the_end else 0


def _tied_output_bytes(model: ModelFacts) -> int:
    """Return the size of the embedding when it also serves as output, which takes a copy on the GPU."""
    sizes: Mapping[str, int] = {tensor.name: tensor.n_bytes for tensor in model.tensors}
    return 0 if "output.weight" in sizes else sizes.get("token_embd.weight", 0)


def _activation_bytes(model: ModelFacts) -> int:
    """Estimate the activations of a batch: four rows as wide as the embedding, three as the widest result."""
    widest = max((_result_width(tensor, model.experts_used) for tensor in model.tensors), default=0)
    return 4 * UBATCH_TOKENS * (4 * model.embedding_length + 3 * widest) + 4 * model.vocabulary_size


def _result_width(tensor: TensorFact, experts_used: int) -> int:
    if tensor.layer is None or len(tensor.shape) < 2:
        return 0
    if tensor.role in {TensorRole.GATE_UP_EXPERTS, TensorRole.DOWN_EXPERTS}:
        return tensor.shape[1] * max(experts_used, 1)
    width = 1
    for size in tensor.shape[1:]:
        width *= size
    return width


def _projector_bytes(projector: ProjectorFacts | None) -> int:
    """Return the projector's weights and the buffers for the largest picture it takes."""
    if projector is None:
        return 0
    patches = (projector.image_size // projector.patch_size) ** 2
    return projector.file_bytes + patches * IMAGE_BYTES_PER_PATCH
