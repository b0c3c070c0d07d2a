"""What the engine may keep of recent chats, and when it must let go of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.core.settings import Settings
from app.engine.protocol import Engine, StateKeeping
from app.engine.state_folder import StateFolder

_MIB = 1 << 20


class StateDesk:
    """Say where states are kept, and remove them; the files too where no engine runs."""

    def __init__(self, engine: Engine, folder: Path, settings: Callable[[], Settings]) -> None:
        self._engine = engine
        self._folder = folder
        self._settings = settings

    def keeping(self) -> StateKeeping:
        """Return what the person allows now."""
        settings = self._settings()
        folder = self._folder if settings.keep_states else None
        return StateKeeping(folder, settings.state_disk_mib * _MIB, settings.state_ram_mib * _MIB)

    def forget(self, chat_id: str | None) -> None:
        """Remove what is kept of a chat; of None, all that is on disk."""
        self._engine.forget(chat_id)
        StateFolder(self._folder).forget(chat_id)
