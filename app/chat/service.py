"""The service behind the window: the desks, and the worker thread they share."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from app.chat.conversations import ConversationDesk
from app.chat.desk import EngineDesk
from app.chat.downloads import DownloadDesk
from app.chat.model_slot import ModelSlot
from app.chat.opening import prepare_opening
from app.chat.pictures import PictureDesk
from app.chat.protocol import ExportKind
from app.chat.turns import Draft, TurnDesk
from app.chat.worker import Worker
from app.core.events import Event, ModelLoaded, Publish, Refused, TurnFailed, TurnFinished, TurnStarted
from app.core.messages import Picture, ReasoningEffort
from app.core.paths import Paths
from app.core.settings import Settings, save_settings
from app.engine.protocol import Died, Engine, EngineEvent, Listener
from app.storage.attachments import AttachmentStore
from app.storage.conversations import ConversationStore
from app.storage.opening import open_store

log = logging.getLogger(__name__)

_CLOSE_TIMEOUT_S = 8.0


@dataclass(frozen=True, slots=True)
class _Desks:
    """Hold what lives on the worker thread."""

    store: ConversationStore
    engine: Engine
    engine_desk: EngineDesk
    slot: ModelSlot
    turns: TurnDesk
    conversations: ConversationDesk


class ChatService:
    """Implement `app.chat.protocol.Service`."""

    def __init__(
        self,
        paths: Paths,
        settings: Settings,
        publish: Publish,
        make_engine: Callable[[Listener], Engine],
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._listener = publish
        self._make_engine = make_engine
        self._attachments = AttachmentStore(paths.attachments)
        self._pictures = PictureDesk(self._attachments, self._publish)
        self._worker = Worker(self._publish, self._tick)
        self._downloads = DownloadDesk(self._publish, lambda: self._settings)
        self._desks: _Desks | None = None

    def start(self) -> None:
        """Open the conversations and take requests; publishes ConversationsListed."""
        self._worker.start()
        self._worker.post(self._begin)

    # --- conversations ---

    def list_conversations(self, query: str = "") -> None:
        """Publish ConversationsListed."""
        self._do(lambda desks: desks.conversations.list(query))

    def open_conversation(self, conversation_id: str) -> None:
        """Publish ConversationOpened, with all that has arrived of an answer under way."""

        def job(desks: _Desks) -> None:
            desks.turns.save_growth()
            desks.conversations.open(conversation_id)

        self._do(job)

    def rename_conversation(self, conversation_id: str, title: str) -> None:
        """Change a title."""
        self._do(lambda desks: desks.conversations.rename(conversation_id, title))

    def pin_conversation(self, conversation_id: str, pinned: bool) -> None:
        """Keep a conversation at the top, or no longer."""
        self._do(lambda desks: desks.conversations.pin(conversation_id, pinned=pinned))

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete, undoable; an answer that is being written in it is stopped."""

        def job(desks: _Desks) -> None:
            desks.turns.stop_in(conversation_id)
            desks.conversations.delete(conversation_id)

        self._do(job)

    def restore_conversation(self, conversation_id: str) -> None:
        """Undo a deletion."""
        self._do(lambda desks: desks.conversations.restore(conversation_id))

    def export_conversation(self, conversation_id: str, target: Path, kind: ExportKind) -> None:
        """Write an export, with all that has arrived of an answer under way."""

        def job(desks: _Desks) -> None:
            desks.turns.save_growth()
            desks.conversations.export(conversation_id, target, kind)

        self._do(job)

    # --- turns ---

    def send(
        self, conversation_id: str | None, text: str, pictures: tuple[Picture, ...], effort: ReasoningEffort
    ) -> None:
        """Ask the model."""
        self._do(lambda desks: desks.turns.send(conversation_id, Draft(text, pictures), effort))

    def regenerate(self, answer_id: str, effort: ReasoningEffort) -> None:
        """Answer the same question once more."""
        self._do(lambda desks: desks.turns.regenerate(answer_id, effort))

    def edit(self, question_id: str, text: str, effort: ReasoningEffort) -> None:
        """Ask an earlier question in other words."""
        self._do(lambda desks: desks.turns.edit(question_id, text, effort))

    def stop(self) -> None:
        """Stop the turn under way."""
        self._do(lambda desks: desks.turns.stop())

    def measure(
        self, conversation_id: str | None, text: str, pictures: tuple[Picture, ...], effort: ReasoningEffort
    ) -> None:
        """Publish ContextMeasured, unless the engine is busy."""
        self._do(lambda desks: desks.turns.measure(conversation_id, Draft(text, pictures), effort))

    # --- pictures ---

    def attach_file(self, request_id: str, path: Path) -> None:
        """Store a picture from a file."""
        self._pictures.attach_file(request_id, path)

    def attach_bytes(self, request_id: str, name: str, content: bytes) -> None:
        """Store a pasted picture."""
        self._pictures.attach_bytes(request_id, name, content)

    def picture_path(self, picture: Picture) -> Path:
        """Return where the original of a stored picture lies."""
        return self._attachments.path(picture.sha256)

    # --- the model ---

    def open_model(self, path: Path, projector: Path | None = None, *, anyway: bool = False) -> None:
        """Load a GGUF; an answer that is being written is stopped."""

        def job(desks: _Desks) -> None:
            desks.turns.stop()
            desks.slot.open(path, projector, anyway=anyway)

        self._do(job)

    def cancel_load(self) -> None:
        """Stop loading."""
        self._do(lambda desks: desks.slot.cancel())

    def restart_engine(self) -> None:
        """Load the same model again after the engine died."""
        self._do(lambda desks: desks.slot.wake())

    # --- first run ---

    def list_offers(self, target: Path | None = None) -> None:
        """Publish OffersListed."""
        self._downloads.list_offers(target or self._paths.models)

    def download(self, offer_id: str, target: Path) -> None:
        """Download, or go on with, an offer; a finished one is opened."""
        self._downloads.download(offer_id, target, self.open_model)

    def stop_download(self) -> None:
        """Pause the download."""
        self._downloads.stop()

    # --- everything else ---

    def change_settings(self, settings: Settings) -> None:
        """Remember `settings`; which model was opened last stays the service's own knowledge."""

        def job() -> None:
            self._remember(replace(settings, model=self._settings.model, projector=self._settings.projector))

        self._worker.post(job)

    def close(self) -> None:
        """Refuse new work, stop the turn, end the engine, save; blocks for a few seconds at most."""
        self._downloads.close()
        self._pictures.close()
        if not self._worker.close(self._end, _CLOSE_TIMEOUT_S):
            log.error("the worker did not end in time")

    # --- on the worker thread ---

    def _begin(self) -> None:
        store, notice = open_store(self._paths.database, self._attachments)
        engine = self._make_engine(self._hear)
        desk = EngineDesk(engine, self._lose)
        slot = ModelSlot(desk, self._publish, lambda path, projector: prepare_opening(path, projector, self._settings))
        turns = TurnDesk(store, desk, slot, self._publish, self.picture_path, lambda: self._settings.system_prompt)
        conversations = ConversationDesk(store, self._attachments, self._publish)
        self._desks = _Desks(store, engine, desk, slot, turns, conversations)
        if notice:
            self._publish(Refused(notice))
        conversations.list_again()

    def _end(self) -> None:
        desks = self._desks
        if desks is None:
            return
        desks.turns.abandon()
        desks.engine.close()
        desks.store.close()

    def _tick(self) -> None:
        if self._desks is not None:
            self._desks.turns.save_growth()

    def _do(self, job: Callable[[_Desks], None]) -> None:
        self._worker.post(lambda: job(self._require()))

    def _require(self) -> _Desks:
        if self._desks is None:
            raise RuntimeError("the conversations could not be opened")
        return self._desks

    def _hear(self, event: EngineEvent) -> None:
        """Take an event on the engine's thread."""
        self._worker.post(functools.partial(self._handle, event))

    def _lose(self, event: Died) -> None:
        self._require().slot.lose(event)

    def _handle(self, event: EngineEvent) -> None:
        self._require().engine_desk.receive(event)

    def _publish(self, event: Event) -> None:
        self._listener(event)
        match event:
            case ModelLoaded():
                projector = str(event.projector or "")
                self._remember(replace(self._settings, model=str(event.path), projector=projector))
            case TurnStarted() | TurnFinished() | TurnFailed():
                self._require().conversations.list_again()
            case _:
                pass

    def _remember(self, settings: Settings) -> None:
        self._settings = settings
        save_settings(self._paths.settings, settings)
