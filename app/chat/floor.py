"""What lives on the worker thread: the open conversations, the engine, and the desks around them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.chat.conversations import ConversationDesk
from app.chat.desk import EngineDesk
from app.chat.model_slot import ModelSlot
from app.chat.opening import Opening
from app.chat.prompting import PicturePath
from app.chat.protocol import ExportKind
from app.chat.turns import TurnDesk
from app.core.events import Publish
from app.engine.protocol import Died, Engine, EngineEvent
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
        system_prompt: Callable[[], str],
    ) -> None:
        self._store = store
        self._engine = engine
        self._desk = EngineDesk(engine, self._lose)
        self.slot = ModelSlot(self._desk, publish, prepare)
        self.turns = TurnDesk(store, self._desk, self.slot, publish, picture_path, system_prompt)
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

    def open_model(self, path: Path, projector: Path | None, *, anyway: bool) -> None:
        """Load a model; an answer that is being written is stopped once it is sure that there is one."""
        self.slot.open(path, projector, self.turns.stop, anyway=anyway)

    def open_downloaded(self, path: Path, projector: Path | None) -> None:
        """Load a model that has just arrived, unless another one is in use."""
        if not self.slot.is_in_use:
            self.open_model(path, projector, anyway=False)

    def receive(self, event: EngineEvent) -> None:
        """Take an event of the engine."""
        self._desk.receive(event)

    def close(self) -> None:
        """Stop the turn, end the engine and let go of the store."""
        try:
            self.turns.abandon()
        finally:
            self._engine.close()
            self._store.close()

    def _lose(self, event: Died) -> None:
        self.slot.lose(event)
