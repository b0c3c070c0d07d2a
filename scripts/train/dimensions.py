"""The sizes of the built-in model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TextDimensions:
    """Hold the sizes of the language model; names follow the GGUF keys."""

    vocabulary: int = 2048
    width: int = 256
    layers: int = 6
    heads: int = 4
    q_lora: int = 128
    kv_lora: int = 128
    nope: int = 32
    rope: int = 32
    value: int = 64
    experts: int = 8
    experts_used: int = 4
    expert_width: int = 64


@dataclass(frozen=True)
class VisionDimensions:
    """Hold the sizes of the Pixtral tower; `longest` is the longest side of a picture in pixels."""

    width: int = 128
    layers: int = 4
    heads: int = 2
    feed_forward: int = 320
    patch: int = 14
    merge: int = 2
    longest: int = 168
