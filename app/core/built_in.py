"""The model that comes with the program: where it lies and what people call it."""

from __future__ import annotations

from pathlib import Path

from app.core.paths import RESOURCES

BUILT_IN_NAME = "Solo mini (built in)"
BUILT_IN_MODEL = RESOURCES / "solo-mini" / "solo-mini-Q4_K_M.gguf"
BUILT_IN_PROJECTOR = RESOURCES / "solo-mini" / "mmproj-solo-mini.gguf"


def is_built_in(model: Path) -> bool:
    """Say whether `model` is the file that came with the program."""
    return model == BUILT_IN_MODEL
