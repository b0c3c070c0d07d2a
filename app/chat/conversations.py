"""What the person does with conversations apart from talking in them."""

from __future__ import annotations

from pathlib import Path

from app.chat.protocol import ExportKind
from app.core.events import (
    ConversationDeleted,
    ConversationExported,
    ConversationOpened,
    ConversationsListed,
    Publish,
)
from app.storage.attachments import AttachmentStore
from app.storage.conversations import ConversationStore
from app.storage.export_json import export_json
from app.storage.export_markdown import export_markdown
from app.storage.import_json import import_json


class ConversationDesk:
    """List, open, rename, pin, delete, restore, export and import conversations; on the worker thread only."""

    def __init__(self, store: ConversationStore, attachments: AttachmentStore, publish: Publish) -> None:
        self._store = store
        self._attachments = attachments
        self._publish = publish
        self._query = ""

    def list(self, query: str) -> None:
        """Publish the conversations that match `query`, and stay with that query from now on."""
        self._query = query
        self.list_again()

    def list_again(self) -> None:
        """Publish the list as it is now: whole, for what is not found must have its title too, and as searched."""
        for query in dict.fromkeys(("", self._query)):
            self._publish(ConversationsListed(self._store.list_conversations(query), query))

    def open(self, conversation_id: str) -> None:
        """Publish a conversation."""
        self._publish(ConversationOpened(self._store.load(conversation_id)))

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title; an empty one changes nothing."""
        if title.strip():
            self._store.rename(conversation_id, title.strip())
        self.list_again()

    def pin(self, conversation_id: str, *, pinned: bool) -> None:
        """Keep a conversation on top, or no longer."""
        self._store.pin(conversation_id, pinned=pinned)
        self.list_again()

    def delete(self, conversation_id: str) -> None:
        """Take a conversation out of the list."""
        summary = self._store.delete(conversation_id)
        self._publish(ConversationDeleted(conversation_id, summary.title))
        self.list_again()

    def restore(self, conversation_id: str) -> None:
        """Bring a deleted conversation back."""
        self._store.restore(conversation_id)
        self.list_again()

    def export(self, conversation_id: str, target: Path, kind: ExportKind) -> None:
        """Write a conversation to `target`."""
        conversation = self._store.load(conversation_id)
        if kind is ExportKind.MARKDOWN:
            export_markdown(conversation, target, self._attachments)
        else:
            export_json(conversation, target, self._attachments, self._store.load_versions(conversation_id))
        self._publish(ConversationExported(target))

    def import_from(self, path: Path) -> None:
        """Add the conversation that `path` holds, and publish it."""
        imported = import_json(path, self._attachments)
        self._store.insert(imported.conversation, imported.versions)
        self.list_again()
        conversation = self._store.load(imported.conversation.summary.id)
        self._publish(ConversationOpened(conversation, is_imported=True))
