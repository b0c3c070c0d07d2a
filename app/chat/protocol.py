"""What the window and the terminal may ask of the program.

Every method returns at once and may be called from the window's thread; what comes of it arrives as
events (`app.core.events`) through the `publish` function the service was made with, from the service's
worker thread.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Protocol

from app.core.facts import Offer
from app.core.library import StoredModel
from app.core.messages import Picture, ReasoningEffort
from app.core.settings import Settings


class ExportKind(StrEnum):
    """What an export is written as."""

    MARKDOWN = "markdown"
    JSON = "json"


class Library(Protocol):
    """Look after the models on this computer, and look into repositories."""

    def list_models(self, folder: Path | None = None) -> None:
        """Publish LibraryListed for Solo's models folder (None: the one of last time) and other programs' folders."""
        ...

    def describe(self, model: StoredModel) -> None:
        """Publish StoredModelDescribed (or Refused)."""
        ...

    def delete(self, model: StoredModel) -> None:
        """Delete a model of Solo's own folder; publishes StoredModelDeleted and LibraryListed (or Refused)."""
        ...

    def use(self, model: StoredModel) -> None:
        """Open a model; one of another program is checked first, once: then CheckProgressed ... CheckEnded."""
        ...

    def check(self, path: Path, *, repair: bool = False) -> None:
        """Check a model, with `repair` fetching what is damaged again; publishes CheckProgressed ... CheckEnded."""
        ...

    def stop_check(self) -> None:
        """Stop the check or repair under way; publishes CheckEnded."""
        ...

    def look_up(self, text: str) -> None:
        """Publish RepositoryListed for a repository's name or address, or RepositoryRefused."""
        ...

    def download_listed(self, offer: Offer, projector: str, target: Path) -> None:
        """Download an offer of a repository with the projector of that name, or none, like `download`."""
        ...

    def resume(self, model: StoredModel) -> None:
        """Go on with an unfinished download (or Refused); its events carry the id it began with."""
        ...

    def discard(self, key: str, folder: Path) -> None:
        """Stop the download `key` and delete what has arrived in `folder`; publishes DownloadDiscarded."""
        ...

    def list_connections(self) -> None:
        """Publish ConnectionsListed."""
        ...

    def list_offers(self, target: Path | None = None) -> None:
        """Publish OffersListed for a target folder (None: the default one).

        For each offer that is there already DownloadFinished follows, for each that is there in part DownloadStopped.
        """
        ...

    def download(self, offer_id: str, target: Path) -> None:
        """Download, or go on with, an offer; publishes DownloadProgressed ..., then how it ended.

        A finished download is opened, unless another model than the built-in one is in use.
        """
        ...

    def stop_download(self) -> None:
        """Pause the download; publishes DownloadStopped."""
        ...


class Service(Protocol):
    """Keep conversations, run turns, open models and download them."""

    # --- conversations ---

    def list_conversations(self, query: str = "") -> None:
        """Publish ConversationsListed, now and whenever the list changes; `query` searches texts too."""
        ...

    def open_conversation(self, conversation_id: str) -> None:
        """Publish ConversationOpened (or Refused)."""
        ...

    def rename_conversation(self, conversation_id: str, title: str) -> None:
        """Change a title; publishes ConversationsListed."""
        ...

    def pin_conversation(self, conversation_id: str, pinned: bool) -> None:
        """Keep a conversation at the top of the list, or no longer; publishes ConversationsListed."""
        ...

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete, undoable; publishes ConversationDeleted and ConversationsListed."""
        ...

    def restore_conversation(self, conversation_id: str) -> None:
        """Undo a deletion; publishes ConversationsListed."""
        ...

    def export_conversation(self, conversation_id: str, target: Path, kind: ExportKind) -> None:
        """Write an export to `target`; publishes ConversationExported (or Refused)."""
        ...

    def import_conversation(self, path: Path) -> None:
        """Read a JSON export; publishes ConversationsListed and ConversationOpened (or Refused)."""
        ...

    def show_version(self, message_id: str) -> None:
        """Show another version of a message, with what followed it; publishes ConversationOpened.

        Publishes Refused while an answer is being written in that conversation.
        """
        ...

    # --- turns ---

    def send(
        self, conversation_id: str | None, text: str, pictures: tuple[Picture, ...], effort: ReasoningEffort
    ) -> None:
        """Ask the model; None starts a conversation. Publishes TurnStarted ... TurnFinished or TurnFailed.

        If the question can't even be saved, or alone is too long for the model, publishes SendRefused. When the
        chat does not fit the context, the oldest turns are left out, and TurnsLeftOut says so. If no model
        answers, the question is saved and the turn fails with a sentence; a crashed engine is started again first.
        """
        ...

    def regenerate(self, answer_id: str, effort: ReasoningEffort) -> None:
        """Answer the same question once more; ConversationOpened shows the branch, then a turn runs.

        After TurnStarted, here as elsewhere, VersionsChanged tells of the new version.
        """
        ...

    def edit(self, question_id: str, text: str, effort: ReasoningEffort) -> None:
        """Ask an earlier question in other words; ConversationOpened shows the branch, then a turn runs."""
        ...

    def stop(self) -> None:
        """Stop the turn under way."""
        ...

    def answer_now(self) -> None:
        """Let the model end the reasoning under way; the answer follows at once."""
        ...

    def measure(
        self, conversation_id: str | None, text: str, pictures: tuple[Picture, ...], effort: ReasoningEffort
    ) -> None:
        """Publish ContextMeasured for the conversation with this draft, when the engine is idle."""
        ...

    # --- pictures ---

    def attach_file(self, request_id: str, path: Path) -> None:
        """Store a picture from a file; publishes PictureAttached or PictureRefused."""
        ...

    def attach_bytes(self, request_id: str, name: str, content: bytes) -> None:
        """Store a pasted picture; publishes PictureAttached or PictureRefused."""
        ...

    def picture_path(self, picture: Picture) -> Path:
        """Return where the original of a stored picture lies; at once, no event."""
        ...

    # --- the model ---

    def open_model(self, path: Path, projector: Path | None = None, *, anyway: bool = False) -> None:
        """Load a GGUF; publishes ModelPlanned, ModelLoadProgressed ..., then ModelLoaded or ModelLoadFailed.

        Without `projector` the one beside the model is taken. `anyway` loads although the plan says no.
        """
        ...

    def open_at_start(self, path: Path | None, projector: Path | None = None) -> None:
        """Load the model that was used last; None for the built-in one.

        If it can't be loaded, ModelLoadFailed says so, and the built-in model is loaded in its place.
        """
        ...

    def cancel_load(self) -> None:
        """Stop loading; publishes ModelLoadStopped."""
        ...

    def restart_engine(self) -> None:
        """Start a crashed engine and load the same model again."""
        ...

    @property
    def library(self) -> Library:
        """Return what looks after the models on this computer."""
        ...

    # --- everything else ---

    def change_settings(self, settings: Settings) -> None:
        """Remember `settings` and use them from now on."""
        ...

    def close(self) -> None:
        """Refuse new work, stop the turn, end the engine, save; blocks for at most a few seconds."""
        ...
