"""Where things live on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RESOURCES = Path(__file__).resolve().parents[2] / "resources"


@dataclass(frozen=True, slots=True)
class Paths:
    """Name the program's folders; the composition root decides where they are."""

    data: Path
    config: Path
    cache: Path
    logs: Path
    models: Path

    @property
    def database(self) -> Path:
        """Return the conversations' SQLite file."""
        return self.data / "conversations.sqlite3"

    @property
    def attachments(self) -> Path:
        """Return the folder of stored pictures, named by hash."""
        return self.data / "attachments"

    @property
    def states(self) -> Path:
        """Return the folder of what models remember of recent chats."""
        return self.cache / "states"

    @property
    def settings(self) -> Path:
        """Return the settings file."""
        return self.config / "settings.json"

    @property
    def measurements(self) -> Path:
        """Return the file of what was measured on this machine."""
        return self.data / "measurements.json"

    @property
    def steps(self) -> Path:
        """Return the file of what each model had to give up for want of memory."""
        return self.data / "memory-steps.json"

    def create(self) -> None:
        """Create every folder that is missing."""
        for folder in (self.data, self.config, self.cache, self.logs, self.models):
            folder.mkdir(parents=True, exist_ok=True)
