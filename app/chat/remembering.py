"""The person's settings while the program runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.core.built_in import is_built_in
from app.core.errors import StorageError
from app.core.events import ModelLoaded
from app.core.settings import Settings, save_settings


class SettingsKeeper:
    """Hold the settings that count now; every change is used at once and then written to `path`."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path = path
        self.current = settings

    def change(self, settings: Settings) -> None:
        """Take over `settings`, except which model was opened last. Raises StorageError."""
        self._keep(replace(settings, model=self.current.model, projector=self.current.projector))

    def remember_model(self, event: ModelLoaded) -> None:
        """Note which model to open at the next start; the built-in one is what is opened without a note.

        A stand-in changes nothing: the model it stands in for may be back at the next start. Raises StorageError.
        """
        if event.is_stand_in:
            return
        model, projector = ("", "") if is_built_in(event.path) else (str(event.path), str(event.projector or ""))
        self._keep(replace(self.current, model=model, projector=projector))

    def _keep(self, settings: Settings) -> None:
        self.current = settings
        try:
            save_settings(self._path, settings)
        except OSError as error:
            raise StorageError(
                f"The settings can’t be written to {self._path} ({error.strerror or error}). "
                "They count until the program ends; check that folder."
            ) from error
