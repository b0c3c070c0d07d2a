"""The person's settings: a JSON file that is read leniently and written whole."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from app.core.files import write_atomically
from app.core.messages import ReasoningEffort
from app.core.sampling import read_choices

log = logging.getLogger(__name__)


class Theme(StrEnum):
    """Which palette the window uses."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold everything that is remembered between two starts.

    `context_tokens` 0 lets the planner choose; `reserve_mib` is kept free on every GPU, and
    `card_reserves` holds other amounts for single ones (`BUS_ID=MIB`, separated by spaces). `preference` is one of
    balanced, context and speed. `keep_states` lets what
    the model has read of recent chats be kept on disk, up to `state_disk_mib`; in memory, up to `state_ram_mib`.
    `fast_sampling` and `think_sampling` hold what was chosen in place of what the model's makers prescribe, by
    the names of `Sampling`. `unscaled_attention` takes back a scaling that converters of some families put into
    files (see `app.engine.corrections`). `think_budget` limits the reasoning, in tokens, and
    `download_limit_kib` downloads, in KiB per second; 0 sets no limit.
    """

    theme: Theme = Theme.SYSTEM
    effort: ReasoningEffort = ReasoningEffort.NONE
    model: str = ""
    projector: str = ""
    models_folder: str = ""
    system_prompt: str = ""
    context_tokens: int = 0
    reserve_mib: int = 1024
    card_reserves: str = ""
    preference: str = "balanced"
    unscaled_attention: bool = False
    keep_states: bool = True
    state_ram_mib: int = 1024
    state_disk_mib: int = 8192
    fast_sampling: Mapping[str, float] = field(default_factory=dict)
    think_sampling: Mapping[str, float] = field(default_factory=dict)
    think_budget: int = 0
    download_limit_kib: int = 0
    first_run: str = ""
    first_choice: str = ""
    last_conversation: str = ""
    window_geometry: str = ""

    def sampling_choices(self, effort: ReasoningEffort) -> Mapping[str, float]:
        """Return what was chosen for one mode."""
        return self.think_sampling if effort is ReasoningEffort.HIGH else self.fast_sampling


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
    if isinstance(default, bool):
        return _choice(value)
    if isinstance(default, int):
        return _count(value)
    if isinstance(default, dict) and isinstance(value, dict):
        return read_choices(value)
    if isinstance(default, str) and isinstance(value, str):
        return value
    raise ValueError(f"{value!r} is of another kind")


def _choice(value: object) -> bool:
    if value is True or value is False:
        return value
    raise ValueError(f"{value!r} is neither true nor false")


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
