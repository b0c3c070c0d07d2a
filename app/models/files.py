"""Find the files that belong to a model: its parts and its projector."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from app.core.errors import AppError
from app.core.facts import ModelFacts
from app.models.gguf import read_model, read_projector
from app.models.gguf_parts import model_stem, split_parts

log = logging.getLogger(__name__)

__all__ = ["find_projector", "split_parts"]

_MAX_CANDIDATES = 64
_MIN_NAME_LETTERS = 4
_KIND_WORDS = re.compile(r"mmproj|model|(?<![a-z0-9])(bf16|f16|f32|i?q[0-9][a-z0-9_]*)(?![a-z0-9])")


def find_projector(model: Path) -> Path | None:
    """Return the projector beside `model` that fits it best, or None without one.

    One that shares the model's name is preferred, then F16, then BF16, then the others by name. Passed over is
    what can't be read, has another embedding length, or is named after another model beside it. Raises what
    `read_model` raises.
    """
    beside = sorted(model.parent.glob("*.gguf"))
    candidates = [path for path in beside if _is_candidate(path) and path != model][:_MAX_CANDIDATES]
    if not candidates:
        return None
    facts = read_model(model)
    stem = _comparable(model_stem(facts.path))
    others = {_comparable(model_stem(path)) for path in beside if not _is_candidate(path)} - {stem}
    own = [path for path in candidates if _names(path, stem) or not any(_names(path, name) for name in others)]
    ranked = sorted(own, key=lambda path: (not _names(path, stem), _precision(path), path.name))
    return next((path for path in ranked if _fits(path, facts)), None)


def _is_candidate(path: Path) -> bool:
    return "mmproj" in path.name.lower()


def _fits(path: Path, facts: ModelFacts) -> bool:
    try:
        projector = read_projector(path)
    except AppError as reason:
        log.info("projector %s is passed over: %s", path, reason)
        return False
    return projector.embedding_length == facts.embedding_length


def _comparable(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _names(path: Path, model_name: str) -> bool:
    """Tell whether the projector at `path` carries the name of a model, its kind and precision apart."""
    name = _comparable(_KIND_WORDS.sub("", path.stem.lower()))
    return len(name) >= _MIN_NAME_LETTERS and name in model_name


def _precision(path: Path) -> int:
    name = path.stem.lower()
    if "bf16" in name:
        return 1
    return 0 if "f16" in name else 2
