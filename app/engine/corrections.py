"""Metadata that known converters leave out or get wrong, and what the engine puts in its place.

Overrides are given to llama.cpp at load; the file is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Scalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class Correction:
    """Set metadata `key` to `value`; `sentence` says to a person why."""

    key: str
    value: Scalar
    sentence: str


_TEMPERATURE = (
    "The file does not say that attention sharpens beyond 8192 tokens; the value the model was trained with is used."
)

# What is put in where a file of that family lacks the key. Source: the family's published configuration
# (llama_4_scaling: beta 0.1, original_max_position_embeddings 8192).
_WHERE_MISSING: dict[str, tuple[Correction, ...]] = {
    "mistral4": (
        Correction("mistral4.attention.temperature_scale", 0.1, _TEMPERATURE),
        Correction("mistral4.attention.temperature_length", 8192, _TEMPERATURE),
    ),
}

# Files of the usual converter make llama.cpp scale attention logits by (1 + 0.1 ln 128)^2 = 2.2058; the
# model's native configuration says they must not be scaled. Which is right needs a measurement on the real
# weights, so this is a switch (LoadRequest.metadata) and not a default. 0.6733086 is 1 / (1 + 0.1 ln 128).
UNSCALED_ATTENTION: dict[str, tuple[tuple[str, Scalar], ...]] = {
    "mistral4": (
        ("mistral4.rope.scaling.yarn_log_multiplier", 0.0),
        ("mistral4.rope.scaling.attn_factor", 0.6733086),
    ),
}


def corrections_for(metadata: Mapping[str, Scalar]) -> tuple[Correction, ...]:
    """Return the corrections that a file with this metadata needs."""
    known = _WHERE_MISSING.get(str(metadata.get("general.architecture")), ())
    return tuple(correction for correction in known if correction.key not in metadata)


def describe_attention_scale(metadata: Mapping[str, Scalar]) -> str:
    """Say which attention scale is in force, given the metadata with all overrides; empty if not in doubt."""
    wanted = UNSCALED_ATTENTION.get(str(metadata.get("general.architecture")))
    if wanted is None:
        return ""
    unscaled = all(
        isinstance(value := metadata.get(key), int | float) and abs(value - float(ideal)) < 1e-4
        for key, ideal in wanted
    )
    return "not scaled (native configuration)" if unscaled else "as the file says"
