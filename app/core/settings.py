"""The person's settings: a JSON file that is read leniently and written whole."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, fields
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
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError):
        log.info("settings at %s can't be read; defaults are used", path, exc_info=True)
        return Settings()
    return _from_mapping(raw) if isinstance(raw, dict) else Settings()


def save_settings(path: Path, settings: Settings) -> None:
    """Write `settings` to `path`. Raises OSError."""
    write_atomically(path, json.dumps(asdict(settings), indent=2, ensure_ascii=False).encode())


def _from_mapping(raw: dict[str, Any]) -> Settings:
    known: dict[str, Any] = {}
    defaults = asdict(Settings())
    for item in fields(Settings):
        kind = type(defaults[item.name])
        try:
            if item.name in raw and not isinstance(raw[item.name], bool):
                known[item.name] = kind(raw[item.name])
        except (TypeError, ValueError):
            log.info("setting %s has an unusable value and takes its default", item.name)
    return Settings(**known)
