"""The service behind the window: the desks, and the worker thread they share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from app.chat.downloads import DownloadDesk
from app.chat.floor import Floor
from app.chat.floor_thread import FloorThread
from app.chat.machine import Machine
from app.chat.opening import Opening, prepare_opening
from app.chat.pictures import PictureDesk
from app.chat.protocol import ExportKind
from app.chat.remembering import SettingsKeeper
from app.chat.turns import Draft
from app.core.events import Event, ModelLoaded, Publish, Refused, SendRefused, TurnFailed, TurnFinished, TurnStarted
from app.core.messages import Picture, ReasoningEffort
from app.core.paths import Paths
from app.core.settings import Settings
from app.engine.protocol import Engine, Listener
from app.storage.attachments import AttachmentStore
from app.storage.opening import open_store


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
        self._settings = SettingsKeeper(paths.settings, settings)
        self._listener = publish
        self._make_engine = make_engine
        self._attachments = AttachmentStore(paths.attachments)
        self._pictures = PictureDesk(self._attachments, self._publish)
        self._thread = FloorThread(self._open_floor, self._publish)
        self._machine = Machine()
        self._downloads = DownloadDesk(self._publish, lambda: self._settings.current, self._machine)
        self._ended = threading.Event()

    def start(self) -> None:
        """Open the conversations and take requests; publishes ConversationsListed."""
        self._thread.start()

    # --- conversations ---

    def list_conversations(self, query: str = "") -> None:
        """Publish ConversationsListed."""
        self._thread.do(lambda floor: floor.conversations.list(query))

    def open_conversation(self, conversation_id: str) -> None:
        """Publish ConversationOpened, with all that has arrived of an answer under way."""
        self._thread.do(lambda floor: floor.open_conversation(conversation_id))

    def rename_conversation(self, conversation_id: str, title: str) -> None:
        """Change a title."""
        self._thread.do(lambda floor: floor.conversations.rename(conversation_id, title))

    def pin_conversation(self, conversation_id: str, pinned: bool) -> None:
        """Keep a conversation at the top, or no longer."""
        self._thread.do(lambda floor: floor.conversations.pin(conversation_id, pinned=pinned))

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete, undoable; an answer that is being written in it is stopped."""
        self._thread.do(lambda floor: floor.delete_conversation(conversation_id))

    def restore_conversation(self, conversation_id: str) -> None:
        """Undo a deletion."""
        self._thread.do(lambda floor: floor.conversations.restore(conversation_id))

    def export_conversation(self, conversation_id: str, target: Path, kind: ExportKind) -> None:
        """Write an export, with all that has arrived of an answer under way."""
        self._thread.do(lambda floor: floor.export_conversation(conversation_id, target, kind))

    def import_conversation(self, path: Path) -> None:
        """Read a JSON export and show it."""
        self._thread.do(lambda floor: floor.conversations.import_from(path))

    def show_version(self, message_id: str) -> None:
        """Show another version of a message, with what followed it."""
        self._thread.do(lambda floor: floor.turns.show_version(message_id))

    # --- turns ---

    def send(
        self, conversation_id: str | None, text: str, pictures: tuple[Picture, ...], effort: ReasoningEffort
    ) -> None:
        """Ask the model."""
        self._thread.do(
            lambda floor: floor.turns.send(conversation_id, Draft(text, pictures), effort),
            lambda sentence: self._publish(SendRefused(sentence)),
        )

    def regenerate(self, answer_id: str, effort: ReasoningEffort) -> None:
        """Answer the same question once more."""
        self._thread.do(lambda floor: floor.turns.regenerate(answer_id, effort))

    def edit(self, question_id: str, text: str, effort: ReasoningEffort) -> None:
        """Ask an earlier question in other words."""
        self._thread.do(lambda floor: floor.turns.edit(question_id, text, effort))

    def stop(self) -> None:
        """Stop the turn under way."""
        self._thread.do(lambda floor: floor.turns.stop())

    def measure(
        self, conversation_id: str | None, text: str, pictures: tuple[Picture, ...], effort: ReasoningEffort
    ) -> None:
        """Publish ContextMeasured, unless the engine is busy."""
        self._thread.do(lambda floor: floor.turns.measure(conversation_id, Draft(text, pictures), effort))

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

        self._thread.do(lambda floor: floor.open_model(path, projector, anyway=anyway))

    def cancel_load(self) -> None:
        """Stop loading."""
        self._thread.do(lambda floor: floor.slot.cancel())

    def restart_engine(self) -> None:
        """Load the same model again after the engine died."""
        self._thread.do(lambda floor: floor.slot.wake())

    # --- first run ---

    def list_offers(self, target: Path | None = None) -> None:
        """Publish OffersListed."""
        self._downloads.list_offers(target or self._paths.models)

    def download(self, offer_id: str, target: Path) -> None:
        """Download, or go on with, an offer; a finished one is opened, unless another model is in use."""

        def open_if_free(path: Path, projector: Path | None) -> None:
            self._thread.do(lambda floor: floor.open_downloaded(path, projector))

        self._downloads.download(offer_id, target, open_if_free)

    def stop_download(self) -> None:
        """Pause the download."""
        self._downloads.stop()

    # --- everything else ---

    def change_settings(self, settings: Settings) -> None:
        """Remember `settings`; which model was opened last stays the service's own knowledge."""
        self._thread.do_anyway(lambda: self._settings.change(settings))

    def close(self) -> None:
        """Refuse new work, stop the turn, end the engine, save; blocks for a few seconds at most."""
        self._downloads.close()
        self._pictures.close()
        self._thread.close()
        self._ended.set()

    # --- on the worker thread ---

    def _open_floor(self) -> Floor:
        store, notice = open_store(self._paths.database, self._attachments)
        if notice:
            self._publish(Refused(notice))
        return Floor(
            store,
            self._attachments,
            self._publish,
            self._make_engine(self._thread.hear),
            self._prepare,
            self.picture_path,
            lambda: self._settings.current.system_prompt,
        )

    def _prepare(self, path: Path, projector: Path | None) -> Opening:
        return prepare_opening(path, projector, self._settings.current, self._machine.look())

    # --- on the thread that has something to say ---

    def _publish(self, event: Event) -> None:
        if self._ended.is_set():
            return
        self._listener(event)
        match event:
            case ModelLoaded():
                self._settings.remember_model(event)
            case TurnStarted() | TurnFinished() | TurnFailed():
                self._thread.do(lambda floor: floor.conversations.list_again())
            case _:
                pass
