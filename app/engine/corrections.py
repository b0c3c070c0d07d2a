"""Metadata that known converters leave out or get wrong, and what the engine puts in its place.

Overrides are given to llama.cpp at load; the file is never touched. Each correction says what it rests on, and
tests/engine/test_corrections.py shows what it does against a model of the architecture of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Scalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class Correction:
    """Set metadata `key` to `value`; `sentence` says to a person why, `evidence` to a developer whence."""

    key: str
    value: Scalar
    sentence: str
    evidence: str


_TEMPERATURE = (
    "The file does not say that attention sharpens beyond 8192 tokens; the value the model was trained with is used."
)
_TEMPERATURE_EVIDENCE = (
    "The family's published configuration: llama_4_scaling with beta 0.1 and original_max_position_embeddings 8192. "
    "llama.cpp multiplies queries by 1 + scale * ln(1 + floor(position / length)), and by nothing where the keys are "
    "missing; the converter from the Hub's format does not write them."
)

# What is put in where a file of that family lacks the key.
_WHERE_MISSING: dict[str, tuple[Correction, ...]] = {
    "mistral4": (
        Correction("mistral4.attention.temperature_scale", 0.1, _TEMPERATURE, _TEMPERATURE_EVIDENCE),
        Correction("mistral4.attention.temperature_length", 8192, _TEMPERATURE, _TEMPERATURE_EVIDENCE),
    ),
}

_UNSCALED = "Attention is not scaled up, as the setting asks."
_UNSCALED_EVIDENCE = (
    "Files of the usual converter make llama.cpp scale attention logits by (1 + 0.1 ln 128)^2 = 2.2058; the model's "
    "native configuration (apply_scale false) and other engines do not, one library does. Which is right needs a "
    "measurement on the real weights, so this is a switch and not a default. 0.6733086 is 1 / (1 + 0.1 ln 128): it "
    "takes back the magnification that YaRN itself brings."
)

# What the person can switch on, against what the file says.
UNSCALED_ATTENTION: dict[str, tuple[Correction, ...]] = {
    "mistral4": (
        Correction("mistral4.rope.scaling.yarn_log_multiplier", 0.0, _UNSCALED, _UNSCALED_EVIDENCE),
        Correction("mistral4.rope.scaling.attn_factor", 0.6733086, _UNSCALED, _UNSCALED_EVIDENCE),
    ),
}


def corrections_for(metadata: Mapping[str, Scalar]) -> tuple[Correction, ...]:
    """Return the corrections that a file with this metadata needs."""
    known = _WHERE_MISSING.get(str(metadata.get("general.architecture")), ())
    return tuple(correction for correction in known if correction.key not in metadata)


def chosen_overrides(arch: str, *, unscaled_attention: bool) -> tuple[tuple[str, Scalar], ...]:
    """Return what a LoadRequest overrides in a file of family `arch`, as the person's settings have it."""
    switched = UNSCALED_ATTENTION.get(arch, ()) if unscaled_attention else ()
    return tuple((correction.key, correction.value) for correction in switched)


def explain_override(key: str, value: Scalar) -> str:
    """Say to a person why metadata `key` is overridden with `value`; where that is not known, only that it is."""
    known = (correction for switch in UNSCALED_ATTENTION.values() for correction in switch)
    return next((one.sentence for one in known if (one.key, one.value) == (key, value)), f"{key} = {value}")


def describe_attention_scale(metadata: Mapping[str, Scalar]) -> str:
    """Say which attention scale is in force, given the metadata with all overrides; empty if not in doubt."""
    wanted = UNSCALED_ATTENTION.get(str(metadata.get("general.architecture")))
    if wanted is None:
        return ""
    unscaled = all(
        isinstance(value := metadata.get(one.key), int | float) and abs(value - float(one.value)) < 1e-4
        for one in wanted
    )
    return "not scaled (native configuration)" if unscaled else "as the file says"
