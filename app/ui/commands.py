"""What the person asks for in the window, handed on to the service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from app.chat.protocol import ExportKind, Service
from app.core.messages import ReasoningEffort
from app.core.settings import Settings
from app.hardware.wishes import Wishes, read_reserves, write_reserves
from app.ui.appearance import Appearance
from app.ui.composer import Outgoing
from app.ui.drafts import NEW_CHAT
from app.ui.file_dialogs import MODELS, ask_file, ask_folder, ask_target
from app.ui.model_commands import ModelCommands
from app.ui.session import Session
from app.ui.window import MainWindow


class Commands:
    """Carry out requests: change what is shown at once, and ask the service for the rest."""

    def __init__(self, window: MainWindow, appearance: Appearance, session: Session, service: Service) -> None:
        self._window = window
        self._appearance = appearance
        self._session = session
        self._service = service
        self.models = ModelCommands(window, session, service.library, self.remember)

    # --- chats ---

    def new_chat(self) -> None:
        """Show an empty chat."""
        self.turn_to(None)
        self._session.is_open = True
        self._window.chat.show_transcript(shown=False)
        self.measure()

    def open_chat(self, conversation_id: str) -> None:
        """Show a chat; its messages arrive as an event."""
        if conversation_id != self._session.shown_id:
            self.turn_to(conversation_id)
            self._session.is_open = False
            self._window.chat.show_transcript(shown=True)
            self._service.open_conversation(conversation_id)
        self._window.frame.close_floating()
        self._window.show_page("chat")

    def rename_shown(self) -> None:
        """Edit the title of the chat that is shown."""
        if self._session.shown_id is not None:
            self._window.frame.reveal()
            self._window.sidebar.chats.rename(self._session.shown_id)

    def delete(self, conversation_id: str | None) -> None:
        """Delete a chat; the event that follows offers to undo it."""
        if conversation_id is not None:
            self._service.delete_conversation(conversation_id)

    def restore(self, conversation_id: str, *, shown: bool) -> None:
        """Undo a deletion, and show the chat again if it was shown."""
        self._service.restore_conversation(conversation_id)
        if shown:
            self.open_chat(conversation_id)

    def export(self, conversation_id: str | None, kind: ExportKind) -> None:
        """Ask for a file and write the chat into it."""
        if conversation_id is None:
            return
        suffix = "md" if kind is ExportKind.MARKDOWN else "json"
        ask_target(
            self._window,
            "Export this chat",
            self._session.title_of(conversation_id),
            suffix,
            lambda path: self._service.export_conversation(conversation_id, path, kind),
        )

    def turn_to(self, conversation_id: str | None) -> None:
        """Show the place of a chat, still without its messages; None is that of a new one."""
        session, window = self._session, self._window
        session.shown_id = conversation_id
        session.awaits_id = False
        window.chat.transcript.clear()
        window.chat.composer.show_draft(conversation_id or NEW_CHAT)
        window.sidebar.chats.mark(conversation_id)
        window.show_chat_title(session.title_of(conversation_id))
        window.notices.clear("refused")
        window.all_actions.allow_chat_actions(allowed=conversation_id is not None)
        window.frame.close_floating()
        window.show_page("chat")
        self.remember(last_conversation=conversation_id or "")

    # --- turns ---

    def send(self, outgoing: Outgoing) -> None:
        """Ask the model."""
        session = self._session
        session.awaits_id = session.shown_id is None
        self._window.notices.clear("refused")
        self._service.send(session.shown_id, outgoing.text, outgoing.pictures, outgoing.effort)

    def measure(self) -> None:
        """Ask how full the context is with what is written."""
        session, composer = self._session, self._window.chat.composer
        if session.is_model_ready and session.running is None and not composer.draft.is_reading:
            draft = composer.draft
            self._service.measure(session.shown_id, draft.text.strip(), draft.pictures, composer.effort)

    def escape(self) -> None:
        """Undo the nearest thing: the floating sidebar, a search, a page, the turn under way."""
        window = self._window
        if window.sidebar.search.hasFocus() and window.sidebar.search.text():
            window.sidebar.search.clear()
        elif window.frame.is_narrow and window.frame.shows_sidebar:
            window.frame.close_floating()
        elif window.page != "chat":
            window.show_page("chat")
        elif self._session.running is not None:
            self._service.stop()

    # --- models ---

    def open_model(self, path: Path, projector: Path | None = None, *, anyway: bool = False) -> None:
        """Load a model."""
        self._window.notices.clear("model")
        self._window.notices.clear("last model")
        self._service.open_model(path, projector, anyway=anyway)

    def pick_model(self) -> None:
        """Let the person choose a model file."""
        ask_file(self._window, "Open a model", MODELS, self.open_model)

    def reload_model(self) -> None:
        """Load the model in use again, with the settings as they are now."""
        if self._session.model is not None:
            self.open_model(self._session.model.path, self._session.model.projector)

    def load_with(self, wishes: Wishes) -> None:
        """Load the model in use again with the context and the reserves of `wishes`, from now on."""
        known = read_reserves(self._session.settings.card_reserves)
        self.remember(context_tokens=wishes.context_tokens, card_reserves=write_reserves({**known, **wishes.reserves}))
        self.reload_model()

    def use_projector(self, projector: Path) -> None:
        """Load the model in use again, now with `projector`."""
        if self._session.model is None:
            self._window.toast.say("That file lets a model see pictures. Open a model first, then drop it again.")
        else:
            self.open_model(self._session.model.path, projector)

    def restart_engine(self) -> None:
        """Start the engine again after it died, with the same model."""
        self._window.notices.clear("model")
        self._service.restart_engine()

    def pick_folder(self) -> None:
        """Let the person choose where models go."""
        start = str(self._window.models.target or "")
        ask_folder(self._window, "Choose a folder for models", start, self.use_folder)

    def use_folder(self, folder: Path) -> None:
        """Keep models in `folder` from now on."""
        self.remember(models_folder=str(folder))
        self._window.settings.show_settings(self._session.settings)
        self._service.library.list_offers(folder)
        self._service.library.list_models(folder)

    def show_page(self, name: str) -> None:
        """Show a page, freshly measured where it shows measurements."""
        self._window.show_page(name)
        self._window.frame.close_floating()
        if name in ("models", "hardware"):
            self._service.library.list_offers(self._window.models.target)
        if name == "models":
            self._service.library.list_models(self._window.models.target)
        if name == "connections":
            self._service.library.list_connections()

    # --- settings ---

    def set_effort(self, effort: ReasoningEffort) -> None:
        """Remember how hard the model shall think, and measure again."""
        self.remember(effort=effort)
        self.measure()

    def take_settings(self, chosen: Settings) -> None:
        """Use what the settings page says."""
        self.remember(
            theme=chosen.theme,
            system_prompt=chosen.system_prompt,
            context_tokens=chosen.context_tokens,
            reserve_mib=chosen.reserve_mib,
            unscaled_attention=chosen.unscaled_attention,
            fast_sampling=chosen.fast_sampling,
            think_sampling=chosen.think_sampling,
            think_budget=chosen.think_budget,
        )
        self._appearance.set_theme(chosen.theme)

    def remember(self, **changes: Any) -> None:
        """Change settings and have them saved."""
        settings = replace(self._session.settings, **changes)
        if settings != self._session.settings:
            self._session.settings = settings
            self._service.change_settings(settings)
