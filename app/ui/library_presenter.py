"""What the window shows of the conversations and of a draft's pictures."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from app.core.events import (
    ContextMeasured,
    ConversationDeleted,
    ConversationEvent,
    ConversationExported,
    ConversationOpened,
    ConversationsListed,
    VersionsChanged,
)
from app.ui.commands import Commands
from app.ui.session import Session
from app.ui.window import MainWindow


class LibraryPresenter:
    """Follow the list of chats and the one that is shown."""

    def __init__(self, window: MainWindow, session: Session, commands: Commands) -> None:
        self._window = window
        self._session = session
        self._commands = commands

    def show(self, event: ConversationEvent) -> None:
        """Show `event`."""
        match event:
            case ConversationsListed():
                self._list(event)
            case ConversationOpened():
                self._open(event)
            case VersionsChanged():
                if event.conversation_id == self._session.shown_id and self._session.is_open:
                    self._window.chat.transcript.set_versions(event.versions)
            case ConversationDeleted():
                self._delete(event)
            case ConversationExported():
                self._window.toast.say(
                    f"Saved as “{event.path.name}”", "Show folder", lambda: _show_folder(event.path.parent)
                )
            case ContextMeasured():
                if event.conversation_id == (self._session.shown_id or ""):
                    self._window.chat.composer.meter.show_tokens(event.used_tokens, event.context_tokens, event.note)
            case _:
                assert_never(event)

    def _list(self, event: ConversationsListed) -> None:
        session, window = self._session, self._window
        if not event.query:
            session.summaries = {summary.id: summary for summary in event.summaries}
        else:
            session.summaries.update((summary.id, summary) for summary in event.summaries)
        if event.query == window.sidebar.query:
            window.sidebar.show_conversations(event.summaries)
        if session.shown_id in session.summaries:
            window.show_chat_title(session.title_of(session.shown_id))

    def _open(self, event: ConversationOpened) -> None:
        session, chat = self._session, self._window.chat
        summary = event.conversation.summary
        if event.is_imported:
            session.summaries[summary.id] = summary
            self._commands.turn_to(summary.id)
        if summary.id != session.shown_id:
            return
        session.is_open = True
        session.summaries[summary.id] = summary
        self._window.show_chat_title(summary.title)
        chat.show_transcript(shown=True)
        messages = event.conversation.messages
        chat.transcript.show_conversation(messages, event.conversation.versions)
        running = session.running
        if running is not None and running.conversation_id == summary.id and running.first_seen_id:
            chat.transcript.set_horizon(running.first_seen_id)
        chat.composer.show_rendered(messages[-1].settings_rendered if messages else "")
        self._commands.measure()

    def _delete(self, event: ConversationDeleted) -> None:
        was_shown = event.conversation_id == self._session.shown_id
        self._session.summaries.pop(event.conversation_id, None)
        if was_shown:
            self._commands.new_chat()
        self._window.toast.say(
            f"Deleted “{event.title}”",
            "Undo",
            lambda: self._commands.restore(event.conversation_id, shown=was_shown),
        )


def _show_folder(folder: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
