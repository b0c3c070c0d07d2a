"""The person's settings: a JSON file that is read leniently and written whole."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from app.core.files import write_atomically
from app.core.messages import ReasoningEffort

log = logging.getLogger(__name__)


class Theme(StrEnum):
    """Which palette the window uses."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold everything that is remembered between two starts.

    `context_tokens` 0 lets the planner choose; `reserve_mib` is kept free on every GPU.
    """

    theme: Theme = Theme.SYSTEM
    effort: ReasoningEffort = ReasoningEffort.NONE
    model: str = ""
    projector: str = ""
    models_folder: str = ""
    system_prompt: str = ""
    context_tokens: int = 0
    reserve_mib: int = 1024
    last_conversation: str = ""
    window_geometry: str = ""


def load_settings(path: Path) -> Settings:
    """Read settings from `path`; what is missing, unknown or of a wrong kind takes its default."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))  # editors on Windows write a byte-order mark
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, RecursionError):
        log.info("settings at %s can't be read; defaults are used", path, exc_info=True)
        return Settings()
    return _from_mapping(raw) if isinstance(raw, dict) else Settings()


def save_settings(path: Path, settings: Settings) -> None:
    """Write `settings` to `path`. Raises OSError."""
    # ASCII only: a path that is not valid Unicode has lone surrogates, which UTF-8 does not know.
    write_atomically(path, json.dumps(asdict(settings), indent=2).encode("ascii"))


def _from_mapping(raw: dict[str, Any]) -> Settings:
    known: dict[str, Any] = {}
    for name, default in asdict(Settings()).items():
        if name not in raw:
            continue
        try:
            known[name] = _like(default, raw[name])
        except ValueError:
            log.info("setting %s has an unusable value and takes its default", name)
    return Settings(**known)


def _like(default: object, value: object) -> object:
    """Return `value` in the kind of `default`. Raises ValueError where it has another kind."""
    if isinstance(default, StrEnum):
        return type(default)(str(value))
    if isinstance(default, int):
        return _count(value)
    if isinstance(value, str):
        return value
    raise ValueError(f"{value!r} is no text")


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
