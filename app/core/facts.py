"""Facts that sibling packages exchange: model files, devices, placement plans, catalogue offers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class TensorRole(StrEnum):
    """What a tensor does in the model, as far as placement cares."""

    EMBEDDING = "embedding"
    ATTENTION = "attention"
    ROUTER = "router"
    SHARED_EXPERT = "shared expert"
    GATE_UP_EXPERTS = "gate/up experts"
    DOWN_EXPERTS = "down experts"
    FEED_FORWARD = "feed-forward"
    NORM = "norm"
    OUTPUT = "output"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class TensorFact:
    """Describe one tensor; `shape` has GGUF's order, innermost dimension first."""

    name: str
    shape: tuple[int, ...]
    type_name: str
    n_bytes: int
    role: TensorRole
    layer: int | None


@dataclass(frozen=True, slots=True)
class LayerCache:
    """Say what one layer's cache takes: per token of context (f16), and whatever the context is."""

    bytes_per_token: int
    state_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Describe a GGUF model as read from its header.

    `path` is the first file, `files` all parts in order. `kv_bytes_per_token` is for an f16 cache over all
    layers; `layer_caches` holds each layer's share. `training_context` is in tokens. `expert_count` and
    `experts_used` are 0 for dense models.
    """

    path: Path
    files: tuple[Path, ...]
    arch: str
    name: str
    quantization: str
    n_layers: int
    embedding_length: int
    vocabulary_size: int
    training_context: int
    kv_bytes_per_token: int
    expert_count: int
    experts_used: int
    file_bytes: int
    tensors: tuple[TensorFact, ...]
    chat_template: str | None
    has_attention_temperature: bool
    layer_caches: tuple[LayerCache, ...] = ()
    attention_masks: int = 1  # 2 where some layers see only a window of the context


@dataclass(frozen=True, slots=True)
class ProjectorFacts:
    """Describe a vision projector (mmproj GGUF)."""

    path: Path
    projector_type: str
    patch_size: int
    image_size: int
    spatial_merge: int
    embedding_length: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """Name a process that holds memory on a GPU; `used_bytes` is 0 where the driver does not say."""

    pid: int
    name: str
    used_bytes: int


@dataclass(frozen=True, slots=True)
class Gpu:
    """Describe one GPU; `bus_id` has PCI form `00000000:01:00.0`, lower case, or is the engine's name for it.

    `bandwidth` is its memory's, in bytes per second, 0 where unknown. `takes_f32_experts` says whether its
    backend multiplies experts that are marked as needing 32 bits (None: not probed).
    """

    name: str
    bus_id: str
    uuid: str
    total_bytes: int
    free_bytes: int
    drives_display: bool
    bandwidth: float = 0.0
    driver: str = ""
    temperature_c: int | None = None
    load_percent: int | None = None
    processes: tuple[GpuProcess, ...] = ()
    takes_f32_experts: bool | None = None


@dataclass(frozen=True, slots=True)
class Hardware:
    """Describe this machine at one moment; `notes` are sentences about what was found or is missing.

    `ram_bandwidth` is in bytes per second, 0 where it was not measured.
    """

    gpus: tuple[Gpu, ...]
    ram_total_bytes: int
    ram_available_bytes: int
    cpu_name: str
    cpu_cores: int
    notes: tuple[str, ...] = ()
    ram_bandwidth: float = 0.0


@dataclass(frozen=True, slots=True)
class TensorOverride:
    """Send tensors whose name matches `pattern` (regex) to `buffer`: "CPU" or a device's `bus_id`."""

    pattern: str
    buffer: str


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """Say what goes onto one device; `budget_bytes` is free memory less the reserve.

    `occupied_bytes` is what others hold there, `capacity_bytes` all of its memory (0 where unknown).
    """

    name: str
    bus_id: str
    budget_bytes: int
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int
    projector_bytes: int
    reserve_bytes: int = 0
    occupied_bytes: int = 0
    capacity_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Return everything planned for the device."""
        return self.weights_bytes + self.kv_bytes + self.compute_bytes + self.projector_bytes


@dataclass(frozen=True, slots=True)
class HostPlan:
    """Say what stays in the system's RAM."""

    weights_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Say where every part of a model goes.

    `tensor_split` holds whole layer counts per device (the output counts as one more layer, on the last
    device). `reasons` are sentences for the person. Without devices everything runs on the CPU.
    """

    fits: bool
    context_tokens: int
    n_gpu_layers: int
    tensor_split: tuple[int, ...]
    overrides: tuple[TensorOverride, ...]
    devices: tuple[DevicePlan, ...]
    host: HostPlan
    reasons: tuple[str, ...]
    projector_device: str | None = None  # bus_id; None means the CPU
    expected_tokens_per_second: float = 0.0
    kv_type: str = "f16"
    batch_tokens: int = 512  # of a prompt that are computed at once


@dataclass(frozen=True, slots=True)
class BufferUse:
    """Say what llama.cpp's buffers of one device hold; `device` is its bus_id, or "CPU"."""

    device: str
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int

    @property
    def total_bytes(self) -> int:
        """Return all that the buffers hold."""
        return self.weights_bytes + self.kv_bytes + self.compute_bytes


class Fit(NamedTuple):
    """Say whether a model fits this machine, in a sentence too, and how fast it would write."""

    fits: bool
    sentence: str
    tokens_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Offer:
    """Describe a catalogue entry as offered on this machine.

    `total_bytes` is what the repository announced, or the catalogue's own rounded figure while
    `exact` is False. `fit` is a sentence about this machine; `fits` its verdict. `tokens_per_second` is expected of
    writing, 0 where it is not known.
    """

    id: str
    title: str
    repository: str
    revision: str
    quantization: str
    description: str
    licence: str
    files: tuple[str, ...]
    total_bytes: int
    exact: bool
    fits: bool
    fit: str
    tokens_per_second: float = 0.0
