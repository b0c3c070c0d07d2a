"""Add up what every part of a model needs, layer by layer, and what comes on top of the weights.

Two estimates stand in for what only llama.cpp itself knows; docs/placement.md gives their reasons.
"""

from __future__ import annotations

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

_EXPERTS = re.compile(r"blk\.\d+\.ffn_(gate_up|gate|up|down)_exps\b")


@dataclass(slots=True)
class Slot:
    """Hold the needs of one layer, or of the output, which llama.cpp places like one more layer.

    `experts` maps a kind (gate_up, gate, up, down) to bytes. `shared_bytes` is a copy of a tensor that is
    counted elsewhere: it costs only on a GPU.
    """

    cache: LayerCache
    dense_bytes: int = 0
    shared_bytes: int = 0
    experts: dict[str, int] = field(default_factory=dict)

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
    """Hold a model's needs: its layers and then the output as `slots`, and what always stays on the CPU."""

    slots: tuple[Slot, ...]
    embedding_bytes: int
    activation_bytes: int
    projector_bytes: int

    @property
    def model_bytes(self) -> int:
        """Return the size of all tensors, each counted once."""
        return self.embedding_bytes + sum(slot.dense_bytes + sum(slot.experts.values()) for slot in self.slots)

    def grain_bytes(self, kinds: frozenset[str]) -> int:
        """Return the size of the smallest tensor of experts, 1 without any."""
        sizes = (size for slot in self.slots for kind, size in slot.experts.items() if kind in kinds)
        return max(min(sizes, default=1), 1)

    def staging_bytes(self, kinds: frozenset[str]) -> int:
        """Return the largest layer: what the first GPU borrows from RAM at a time while reading a prompt."""
        return max(slot.dense_bytes + slot.expert_bytes(kinds) for slot in self.slots[:-1])

    def compute_bytes(self, context_tokens: int, copies: int) -> int:
        """Return the scratch memory of one device for a batch: activations and attention masks."""
        mask_bytes = 2 * UBATCH_TOKENS * context_tokens  # f16, one row per token of the batch
        return self.activation_bytes + mask_bytes * copies


def add_up(model: ModelFacts, projector: ProjectorFacts | None) -> Needs:
    """Return what `model` and `projector` need."""
    slots = tuple(Slot(cache=cache) for cache in (*_caches(model), LayerCache(0)))
    embedding_bytes = 0
    for tensor in model.tensors:
        experts = _EXPERTS.match(tensor.name)
        if tensor.role is TensorRole.EMBEDDING:
            embedding_bytes += tensor.n_bytes
        elif experts and tensor.layer is not None:
            kinds = slots[tensor.layer].experts
            kinds[experts[1]] = kinds.get(experts[1], 0) + tensor.n_bytes
        else:
            slots[_slot_index(tensor, model.n_layers)].dense_bytes += tensor.n_bytes
    slots[-1].shared_bytes = _tied_output_bytes(model)
    return Needs(slots, embedding_bytes, _activation_bytes(model), _projector_bytes(projector))


def _caches(model: ModelFacts) -> tuple[LayerCache, ...]:
    if model.layer_caches:
        return model.layer_caches
    return (LayerCache(-(-model.kv_bytes_per_token // model.n_layers)),) * model.n_layers


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
