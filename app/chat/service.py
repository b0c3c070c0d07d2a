"""The service behind the window: the desks, and the worker thread they share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.chat.drafts import Draft
from app.chat.floor import Floor
from app.chat.floor_thread import FloorThread
from app.chat.learning import Learning
from app.chat.library import LibraryDesk
from app.chat.machine import Machine
from app.chat.opening import Opening, prepare_opening
from app.chat.pictures import PictureDesk
from app.chat.protocol import ExportKind
from app.chat.remembering import SettingsKeeper
from app.core.events import (
    EngineStopped,
    Event,
    ModelLoaded,
    ModelPlanned,
    PlanReduced,
    Publish,
    Refused,
    SendRefused,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from app.core.messages import Picture, ReasoningEffort
from app.core.paths import Paths
from app.core.settings import Settings
from app.engine.protocol import Engine, Listener
from app.hardware.notebook import Notebook
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
        self._learning = Learning(Notebook(paths.measurements))
        self.library = LibraryDesk(
            self._publish, lambda: self._settings.current, self._machine, paths, self.open_model, self._open_downloaded
        )
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

        def refuse(sentence: str) -> None:
            self._publish(SendRefused(sentence))

        self._thread.do(lambda floor: floor.turns.send(conversation_id, Draft(text, pictures), effort, refuse), refuse)

    def regenerate(self, answer_id: str, effort: ReasoningEffort) -> None:
        """Answer the same question once more."""
        self._thread.do(lambda floor: floor.turns.regenerate(answer_id, effort))

    def edit(self, question_id: str, text: str, effort: ReasoningEffort) -> None:
        """Ask an earlier question in other words."""

        def refuse(sentence: str) -> None:
            self._publish(Refused(sentence))

        self._thread.do(lambda floor: floor.turns.edit(question_id, text, effort, refuse))

    def stop(self) -> None:
        """Stop the turn under way."""
        self._thread.do(lambda floor: floor.turns.stop())

    def answer_now(self) -> None:
        """Let the model end its reasoning and answer."""
        self._thread.do(lambda floor: floor.turns.answer_now())

    def measure(
        self, conversation_id: str | None, text: str, pictures: tuple[Picture, ...], effort: ReasoningEffort
    ) -> None:
        """Publish ContextMeasured, unless the engine is busy."""
        self._thread.do(lambda floor: floor.meter.measure(conversation_id, Draft(text, pictures), effort))

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

    def open_at_start(self, path: Path | None, projector: Path | None = None) -> None:
        """Load the model of the last time, or the built-in one."""
        self._thread.do(lambda floor: floor.open_at_start(path, projector))

    def cancel_load(self) -> None:
        """Stop loading."""
        self._thread.do(lambda floor: floor.slot.cancel())

    def restart_engine(self) -> None:
        """Load the same model again after the engine died."""
        self._thread.do(lambda floor: floor.slot.wake())

    # --- everything else ---

    def change_settings(self, settings: Settings) -> None:
        """Remember `settings`; which model was opened last stays the service's own knowledge."""
        self._thread.do_anyway(lambda: self._settings.change(settings))
        if not settings.keep_states:
            self._thread.do(lambda floor: floor.states.forget(None))

    def close(self) -> None:
        """Refuse new work, stop the turn, end the engine, save; blocks for a few seconds at most."""
        self.library.close()
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
            lambda: self._settings.current,
            self._paths.states,
            self._paths.steps,
        )

    def _open_downloaded(self, path: Path, projector: Path | None) -> None:
        self._thread.do(lambda floor: floor.open_downloaded(path, projector))

    def _prepare(self, path: Path, projector: Path | None) -> Opening:
        hardware = self._learning.without_model(self._machine.look_for(path))
        return prepare_opening(path, projector, self._settings.current, hardware, self._learning.notebook)

    def _publish(self, event: Event) -> None:
        if self._ended.is_set():
            return
        if isinstance(event, ModelLoaded):  # before anyone can ask for it
            self.library.note_use(event.path)
            event = replace(event, measured=self._learning.note_load(event.measured))
        if isinstance(event, PlanReduced):
            event = replace(event, sentence=f"{self._learning.explain_shortage()} {event.sentence}".strip())
        self._listener(event)
        match event:
            case ModelPlanned():
                self._learning.note_plan(event)
            case EngineStopped():
                self._learning.forget_model()
            case ModelLoaded():
                self._settings.remember_model(event)
            case TurnFinished(answer=answer):
                if answer.stats is not None:
                    self._learning.note_turn(answer.stats.tokens_per_second, answer.stats.generated_tokens)
                self._thread.do(lambda floor: floor.conversations.list_again())
            case TurnStarted() | TurnFailed():
                self._thread.do(lambda floor: floor.conversations.list_again())
            case _:
                pass
