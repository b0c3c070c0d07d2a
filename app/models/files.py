"""Find the files that belong to a model: its parts and its projector."""

from __future__ import annotations

import logging
from pathlib import Path

from app.core.errors import AppError
from app.core.facts import ModelFacts
from app.models.gguf import read_model, read_projector
from app.models.gguf_parts import model_stem, split_parts

log = logging.getLogger(__name__)

__all__ = ["find_projector", "split_parts"]

_MAX_CANDIDATES = 64


def find_projector(model: Path) -> Path | None:
    """Return the projector beside `model` that fits it best, or None without one.

    One that shares the model's name is preferred, then F16, then BF16, then the others by name. What can't be
    read or has another embedding length is passed over. Raises what `read_model` raises.
    """
    candidates = _candidates(model)
    if not candidates:
        return None
    facts = read_model(model)
    stem = _comparable(model_stem(facts.path))
    ranked = sorted(candidates, key=lambda path: (not _shares_name(path, stem), _precision(path), path.name))
    return next((path for path in ranked if _fits(path, facts)), None)


def _candidates(model: Path) -> list[Path]:
    beside = sorted(model.parent.glob("*.gguf"))
    return [path for path in beside if "mmproj" in path.name.lower() and path != model][:_MAX_CANDIDATES]


def _fits(path: Path, facts: ModelFacts) -> bool:
    try:
        projector = read_projector(path)
    except AppError as reason:
        log.info("projector %s is passed over: %s", path, reason)
        return False
    return projector.embedding_length == facts.embedding_length


def _comparable(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _shares_name(path: Path, model_name: str) -> bool:
    """Tell whether what is left of a projector's name without its kind begins the model's name."""
    rest = path.stem.lower()
    for word in ("mmproj", "model", "bf16", "f16", "f32", "q8_0"):
        rest = rest.replace(word, "")
    rest = _comparable(rest)
    return bool(rest) and rest in model_name


def _precision(path: Path) -> int:
    name = path.stem.lower()
    if "bf16" in name:
        return 1
    return 0 if "f16" in name else 2
