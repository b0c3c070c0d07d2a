"""What all widgets of one column share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.core.messages import Picture
from app.ui.transcript.look import Look
from app.ui.transcript.selection import Selection
from app.ui.transcript.thumbnails import ThumbnailLoader


@dataclass(slots=True)
class Stage:
    """Hold the present look, the one selection, and where pictures come from."""

    look: Look
    selection: Selection
    thumbnails: ThumbnailLoader
    picture_path: Callable[[Picture], Path]
