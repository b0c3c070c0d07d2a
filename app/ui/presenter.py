"""The one way from the service to the window: every event, through one signal, to one place."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication

from app.chat.protocol import Service
from app.core.events import (
    BugFound,
    ConversationEvent,
    DownloadDiscarded,
    DownloadEvent,
    DownloadFinished,
    DownloadStopped,
    Event,
    ModelEvent,
    ModelLoaded,
    ModelLoadFailed,
    ModelLoadStopped,
    OffersListed,
    PictureAttached,
    PictureRefused,
    Refused,
    SendRefused,
    TurnEvent,
)
from app.core.library import ConnectionsListed, LibraryEvent
from app.ui.appearance import Appearance
from app.ui.commands import Commands
from app.ui.connecting import connect_window
from app.ui.intake import Intake
from app.ui.library_presenter import LibraryPresenter
from app.ui.model_presenter import ModelPresenter
from app.ui.session import Session
from app.ui.turn_presenter import TurnPresenter
from app.ui.window import MainWindow

_BUG = "Something unexpected went wrong inside Solo. Your chats are safe."


class Presenter(QObject):
    """Take events from any thread and show them on the window's."""

    _arrived = Signal(object)

    def __init__(self, window: MainWindow, appearance: Appearance, session: Session) -> None:
        super().__init__()
        self._window = window
        self._appearance = appearance
        self._session = session
        self._bugs: set[str] = set()
        self._service: Service | None = None
        self._arrived.connect(self._show, Qt.ConnectionType.QueuedConnection)

    def publish(self, event: Event) -> None:
        """Hand over `event`; from any thread, returns at once."""
        self._arrived.emit(event)

    def start(self, service: Service) -> None:
        """Connect the window with `service` and ask for what it shows first."""
        window, session, settings = self._window, self._session, self._session.settings
        self._service = service
        self.commands = commands = Commands(window, self._appearance, session, service)
        self._turns = TurnPresenter(window, session, commands)
        self._models = ModelPresenter(window, session, commands)
        self._library = LibraryPresenter(window, session, commands)
        # Kept: a connection alone does not keep an object alive.
        self._intake = Intake(window, commands, service)
        connect_window(window, commands, self._intake, session, service)
        service.list_conversations()
        if settings.last_conversation:
            commands.open_chat(settings.last_conversation)
        service.library.list_offers(Path(settings.models_folder) if settings.models_folder else None)
        model = Path(settings.model) if settings.model else None
        window.models.welcome(first=model is None)
        window.models.show_limit(settings.download_limit_kib)
        window.models.show_first_run(shown=settings.first_run == "" and (model is None or bool(settings.first_choice)))
        window.models.first_run.begin(settings.first_choice)
        window.chat.empty.say("", has_model=True, is_built_in=model is None)
        service.open_at_start(model, Path(settings.projector) if settings.projector else None)

    def close(self) -> None:
        """Save what the window knows and end the service; a second call does nothing."""
        service, self._service = self._service, None
        if service is None:
            return
        self._window.settings.flush()
        self.commands.remember(window_geometry=self._window.place())
        self._window.hide()  # the end may take a moment, which nobody should have to look at
        service.close()

    def _show(self, event: Event) -> None:
        if self._service is None:  # already closing
            return
        match event:
            case Refused():
                self._refuse(event)
            case SendRefused():
                self._stop_sending()
                self._window.notices.say("refused", event.sentence, kind="warning")
            case BugFound():
                self._confess(event)
            case PictureAttached() | PictureRefused():
                self._window.chat.composer.settle(event)
            case _:
                self._show_family(event)

    def _show_family(self, event: TurnEvent | ModelEvent | ConversationEvent | DownloadEvent | LibraryEvent) -> None:
        """Hand `event` to the one who `match`es its family."""
        if isinstance(event, TurnEvent):
            self._turns.show(event)
        elif isinstance(event, ModelEvent):
            self._models.show(event)
            self._show_model_on_page(event)
        elif isinstance(event, ConversationEvent):
            self._library.show(event)
            self._turns.show_busy()
        elif isinstance(event, DownloadEvent):
            self._show_download(event)
        elif isinstance(event, ConnectionsListed):
            self._window.connections.show_connections(event)
        elif isinstance(event, LibraryEvent):
            self._window.models.show_library(event)
        else:
            assert_never(event)

    def _show_download(self, event: DownloadEvent) -> None:
        self._window.models.show_event(event)
        if isinstance(event, OffersListed):
            self._window.hardware.show_hardware(event.hardware)
            self._window.chat.empty.plan_card.show_ram(event.hardware.ram_total_bytes)

        elif isinstance(event, DownloadFinished | DownloadStopped | DownloadDiscarded) and self._service is not None:
            self._service.library.list_models(self._window.models.target)

    def _show_model_on_page(self, event: ModelEvent) -> None:
        models = self._window.models
        models.first_run.show_model(event)
        if isinstance(event, ModelLoaded):
            models.library.show_in_use(event.path)
        elif isinstance(event, ModelLoadStopped | ModelLoadFailed) and not self._session.is_model_ready:
            models.library.show_in_use(None)

    def _refuse(self, event: Refused) -> None:
        session = self._session
        if not session.is_open and session.shown_id not in session.summaries:
            self.commands.new_chat()
        self._window.notices.say("refused", event.sentence, kind="warning")

    def _stop_sending(self) -> None:
        self._window.chat.composer.keep_unsent()
        self._session.awaits_id = False

    def _confess(self, event: BugFound) -> None:
        self._stop_sending()
        if event.summary in self._bugs:
            return
        self._bugs.add(event.summary)
        self._window.notices.say(
            "bug", _BUG, ("Copy details", lambda: QGuiApplication.clipboard().setText(event.details))
        )
