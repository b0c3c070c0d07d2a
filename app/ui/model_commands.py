"""What the person asks for on the Models page, handed on to the service."""

from __future__ import annotations

from collections.abc import Callable

from app.chat.protocol import Library
from app.core.facts import Offer
from app.ui.session import Session
from app.ui.window import MainWindow


class ModelCommands:
    """Carry out requests about downloads and the first run."""

    def __init__(self, window: MainWindow, session: Session, library: Library, remember: Callable[..., None]) -> None:
        self._window = window
        self._session = session
        self._library = library
        self._remember = remember

    def download(self, offer_id: str) -> None:
        """Download an offer into the folder that is shown."""
        if self._window.models.target is not None:
            self._library.download(offer_id, self._window.models.target)

    def download_listed(self, offer: Offer, projector: str) -> None:
        """Download an offer of a repository into the folder that is shown."""
        if self._window.models.target is not None:
            self._library.download_listed(offer, projector, self._window.models.target)

    def discard(self, offer_id: str) -> None:
        """Stop a download and delete what has arrived of it."""
        target = self._window.models.target
        if target is not None:
            repository = offer_id.partition(":")[0] if ":" in offer_id else offer_id
            self._library.discard(offer_id, target.joinpath(*repository.split("/")))

    def lead_first_run(self, *, shown: bool) -> None:
        """Show the tasks of the first run, or put them away until they are asked for."""
        self._remember(first_run="" if shown else "skipped")
        self._window.models.show_first_run(shown=shown)
        if shown:
            self._window.models.first_run.begin(self._session.settings.first_choice)
