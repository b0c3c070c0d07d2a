"""Sentences for what llama.cpp reports in its log when it can't load something."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from app.core.errors import (
    AppError,
    ModelFileDamaged,
    ModelFileMissing,
    ModelNotSupported,
    NotEnoughGpuMemory,
    NotEnoughMemory,
    ProjectorMismatch,
)


class _Rule(NamedTuple):
    pattern: str
    kind: type[AppError]
    sentence: str


# The first pattern that is found in the log decides: from the most certain to the vaguest.
_RULES = (
    _Rule(
        r"(?:cuda|hip)Malloc failed|allocat\w* (?:CUDA|ROCm|Vulkan|SYCL|Metal|RPC)\d|CUDA error: out of memory|"
        r"Device memory allocation .* failed",
        NotEnoughGpuMemory,
        "There is not enough memory on a graphics card for {name}. Close other programs that use it, choose a "
        "shorter context, or choose a smaller model.",
    ),
    _Rule(
        r"failed to allocate|unable to allocate|cannot allocate|out of memory|bad_alloc|alloc_tensor_range",
        NotEnoughMemory,
        "There is not enough memory for {name}. Close other programs, choose a shorter context, "
        "or choose a smaller model.",
    ),
    _Rule(
        r"failed to load GGUF split|invalid split count|missing key split|invalid split file idx",
        ModelFileMissing,
        "A part of {name} is missing or damaged. All its parts must lie in one folder; download them again.",
    ),
    _Rule(
        r"illegal split file idx|model must be loaded with the first split",
        ModelNotSupported,
        "{name} is not the first part of its model. Open the part whose name has 00001 in it.",
    ),
    _Rule(
        r"unknown model architecture: '(?P<arch>[^']*)'",
        ModelNotSupported,
        "This version of llama.cpp does not know the model family of {name} (“{arch}”). "
        "Choose another model or update the program.",
    ),
    _Rule(
        r"unknown pre-tokenizer|unknown tokenizer|cannot find tokenizer|error loading model vocabulary",
        ModelNotSupported,
        "This version of llama.cpp can't use the vocabulary of {name}. Choose another model or update the program.",
    ),
    _Rule(
        r"not within the file bounds|corrupted|incomplete|invalid magic|failed to read|bad GGUF version|"
        r"exceeds (?:remaining|maximum)|extremely large|must be in \[|has invalid|duplicate|overflow|"
        r"unexpectedly reached end of file|read error|size in bytes|incorrect shape|is too long|"
        r"elements per row|has offset|encountered \w+ error|power of 2|key \d+ is empty",
        ModelFileDamaged,
        "{name} is damaged, not complete or not a GGUF file. Download it again.",
    ),
    _Rule(
        r"only supports up to version|no longer supported",
        ModelNotSupported,
        "{name} is of a GGUF version that this program does not read. Choose another file or update the program.",
    ),
    _Rule(
        r"failed to open|No such file|Permission denied",
        ModelFileMissing,
        "{name} is not there or can't be read. Choose the model's file again.",
    ),
    _Rule(
        r"missing tensor|wrong shape|wrong number of tensors|tensor '\S+' not found|key not found|wrong type|"
        r"wrong array|too many tensors",
        ModelNotSupported,
        "{name} lacks parts that its model family needs, or was made for another version of llama.cpp. "
        "Choose another file of this model or update the program.",
    ),
)


def explain_load_failure(log: str, path: Path) -> AppError:
    """Return the error that says why llama.cpp refused `path`, given its log lines."""
    for rule in _RULES:
        if found := re.search(rule.pattern, log, re.IGNORECASE):
            return rule.kind(rule.sentence.format(name=path.name, **found.groupdict()))
    return ModelNotSupported(
        f"llama.cpp could not load {path.name} and did not say why in a way this program knows. "
        "Choose another file of this model; the log says more."
    )


def explain_projector_failure(log: str, path: Path) -> AppError:
    """Return the error that says why a projector was refused, given llama.cpp's log lines."""
    if re.search(r"mismatch between text model", log):
        return projector_mismatch(path)
    error = explain_load_failure(log, path)
    if isinstance(error, ModelNotSupported):
        return ProjectorMismatch(
            f"{path.name} can't be used as a projector with this model. Choose the projector (mmproj) "
            "that was published with it."
        )
    return error


def projector_mismatch(path: Path) -> ProjectorMismatch:
    """Return the error for a projector that was made for another model."""
    return ProjectorMismatch(
        f"The projector {path.name} belongs to another model: what it produces does not fit this one. "
        "Choose the projector (mmproj) that was published with the model."
    )
