"""What lives on the worker thread: the open conversations, the engine, and the desks around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from app.chat.conversations import ConversationDesk
from app.chat.descent import StepMemory
from app.chat.desk import EngineDesk
from app.chat.meter import Meter
from app.chat.model_slot import ModelSlot
from app.chat.opening import Opening
from app.chat.prompting import PicturePath, build_prompt
from app.chat.protocol import ExportKind
from app.chat.states import StateDesk
from app.chat.turns import TurnDesk
from app.core.built_in import BUILT_IN_MODEL, BUILT_IN_PROJECTOR, is_built_in
from app.core.events import ModelEvent, ModelLoaded, ModelLoadFailed, ModelLoadStopped, Publish
from app.core.messages import Message
from app.core.settings import Settings
from app.engine.protocol import Died, Engine, EngineEvent, PromptMessage
from app.storage.attachments import AttachmentStore
from app.storage.conversations import ConversationStore

Prepare = Callable[[Path, Path | None], Opening]


class Floor:
    """Hold the desks that share one store and one engine; on the worker thread only."""

    def __init__(
        self,
        store: ConversationStore,
        attachments: AttachmentStore,
        publish: Publish,
        engine: Engine,
        prepare: Prepare,
        picture_path: PicturePath,
        settings: Callable[[], Settings],
        states_folder: Path,
        steps: Path,
    ) -> None:
        self._store = store
        self._engine = engine
        self._desk = EngineDesk(engine, self._lose)
        self._publish = publish
        self._first: Path | None = None  # opened at the start, and not yet loaded
        self._stands_in = False
        self._is_stand_in_due = False
        self.states = StateDesk(engine, states_folder, settings)
        self.slot = ModelSlot(self._desk, self._tell_of_model, prepare, StepMemory(steps), self.states.keeping)

        def build(messages: Sequence[Message]) -> tuple[PromptMessage, ...]:
            return build_prompt(messages, settings().system_prompt, picture_path)

        self.turns = TurnDesk(store, self._desk, self.slot, publish, build, settings)
        self.meter = Meter(store, self._desk, self.slot, publish, build)
        self.conversations = ConversationDesk(store, attachments, publish)

    def open_conversation(self, conversation_id: str) -> None:
        """Publish a conversation, with all that has arrived of an answer under way."""
        self.turns.save_growth()
        self.conversations.open(conversation_id)

    def export_conversation(self, conversation_id: str, target: Path, kind: ExportKind) -> None:
        """Write a conversation to `target`, with all that has arrived of an answer under way."""
        self.turns.save_growth()
        self.conversations.export(conversation_id, target, kind)

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation; an answer that is being written in it is stopped."""
        self.turns.stop_in(conversation_id)
        self.conversations.delete(conversation_id)
        self.states.forget(conversation_id)

    def open_model(self, path: Path, projector: Path | None, *, anyway: bool) -> None:
        """Load a model; an answer that is being written is stopped once it is sure that there is one."""
        self._first, self._stands_in = None, False
        self.slot.open(path, projector, self.turns.stop, anyway=anyway)

    def open_at_start(self, path: Path | None, projector: Path | None) -> None:
        """Load the model of the last time, with the built-in one to stand in for it; None for that one itself."""
        if path is None or is_built_in(path):
            self.open_model(BUILT_IN_MODEL, BUILT_IN_PROJECTOR, anyway=False)
        else:
            self._first, self._stands_in = path, False
            self.slot.open(path, projector, self.turns.stop)
            self._bring_stand_in()

    def open_downloaded(self, path: Path, projector: Path | None) -> None:
        """Load a model that has just arrived, unless one that was chosen is in use."""
        if self.slot.is_built_in or not self.slot.is_in_use:
            self.open_model(path, projector, anyway=False)

    def receive(self, event: EngineEvent) -> None:
        """Take an event of the engine."""
        self._desk.receive(event)
        self._bring_stand_in()

    def close(self) -> None:
        """Stop the turn, end the engine and let go of the store."""
        try:
            self.turns.abandon()
        finally:
            self._engine.close()
            self._store.close()

    def _tell_of_model(self, event: ModelEvent) -> None:
        match event:
            case ModelLoadFailed() if event.path == self._first:
                self._first, self._is_stand_in_due = None, True
                self._publish(replace(event, has_stand_in=True))
            case ModelLoaded():
                self._first = None
                self._publish(replace(event, is_stand_in=self._stands_in))
            case ModelLoadStopped():  # the person's wish, who will say what to open instead
                self._first = None
                self._publish(event)
            case _:
                self._publish(event)

    def _bring_stand_in(self) -> None:
        # Not at once: whoever waits for the model that failed is told so first, and not answered by another one.
        if self._is_stand_in_due:
            self._is_stand_in_due, self._stands_in = False, True
            self.slot.open(BUILT_IN_MODEL, BUILT_IN_PROJECTOR, make_way=lambda: None)

    def _lose(self, event: Died) -> None:
        self.slot.lose(event)
