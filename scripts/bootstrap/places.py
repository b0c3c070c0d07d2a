"""Where the set-up keeps things on disk."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

ON_WINDOWS = sys.platform == "win32"


class SetupFailed(Exception):
    """Say in one sentence, for the person setting up, what failed and what to do."""


@dataclass(frozen=True, slots=True)
class Places:
    """Name the checkout's and the cache's folders."""

    root: Path
    cache: Path

    @property
    def venv(self) -> Path:
        """Return the folder of the virtual environment."""
        return self.root / ".venv"

    @property
    def scripts(self) -> Path:
        """Return the folder of the environment's programs."""
        return self.venv / ("Scripts" if ON_WINDOWS else "bin")

    @property
    def python(self) -> Path:
        """Return the environment's Python."""
        return self.scripts / ("python.exe" if ON_WINDOWS else "python")

    @property
    def stamp(self) -> Path:
        """Return the file that says what the environment was made from."""
        return self.venv / "solo-setup.json"

    @property
    def wheels(self) -> Path:
        """Return the folder of engines built earlier."""
        return self.cache / "wheels"

    @property
    def logs(self) -> Path:
        """Return the folder of full logs, one per step."""
        return self.cache / "logs"

    def lock(self, name: str) -> Path:
        """Return the lock file of the requirements called `name`."""
        return self.root / "requirements" / f"{name}.txt"


def find_places() -> Places:
    """Return the places for this checkout and this user."""
    return Places(root=Path(__file__).resolve().parents[2], cache=_cache_home() / "solo-build")


def _cache_home() -> Path:
    if ON_WINDOWS:
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says to ignore a relative path.
    return Path(chosen) if chosen.startswith("/") else Path.home() / ".cache"
