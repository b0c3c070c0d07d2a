"""The models on this computer, one card each."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.core.events import DownloadProgressed
from app.core.library import (
    CheckEnded,
    CheckProgressed,
    LibraryListed,
    StoredModel,
    StoredModelDeleted,
    StoredModelDescribed,
)
from app.ui.controls import make_label
from app.ui.stored_card import StoredCard
from app.ui.units import in_bytes

LibraryCardEvent = LibraryListed | StoredModelDescribed | CheckProgressed | CheckEnded | StoredModelDeleted


class LibrarySection(QWidget):
    """Keep one card for each model; the signals are those of the cards."""

    use_wanted = Signal(object)
    resume_wanted = Signal(object)
    details_wanted = Signal(object)
    check_wanted = Signal(object, bool)
    stop_wanted = Signal()
    reveal_wanted = Signal(object)
    delete_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.cards: dict[Path, StoredCard] = {}
        self.said = make_label("", "small", wraps=True)
        self.said.hide()
        self._in_use: Path | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(12)
        self._column.addWidget(self.said)

    def show_event(self, event: LibraryCardEvent) -> None:
        """Show what became known of the models."""
        match event:
            case LibraryListed():
                self._show_models(event.models)
            case StoredModelDescribed() if event.path in self.cards:
                self.cards[event.path].show_details(event.details)
            case CheckProgressed() if event.path in self.cards:
                self.cards[event.path].show_check(event)
            case CheckEnded() if event.path in self.cards:
                self.cards[event.path].show_check_end(event)
            case StoredModelDeleted():
                self.said.setText(f"{event.path.name} was deleted, which freed {in_bytes(event.freed_bytes)}.")
                self.said.show()
            case _:  # of a model that is not listed any more
                pass

    def show_in_use(self, path: Path | None) -> None:
        """Show which model answers."""
        self._in_use = path
        for card in self.cards.values():
            card.show_model(card.model, in_use=card.model.path == path)

    def show_download(self, event: DownloadProgressed) -> None:
        """Show on its card how far an unfinished model's download is."""
        for card in self.cards.values():
            if belongs_to(card.model, event.offer_id):
                card.show_download(event)

    def _show_models(self, models: tuple[StoredModel, ...]) -> None:
        old, self.cards = self.cards, {}
        for place, model in enumerate(models):
            card = old.pop(model.path, None) or self._make_card(model)
            card.show_model(model, in_use=model.path == self._in_use)
            self.cards[model.path] = card
            self._column.insertWidget(place, card)
        for gone in old.values():
            gone.hide()
            gone.deleteLater()

    def _make_card(self, model: StoredModel) -> StoredCard:
        card = StoredCard(model)
        card.use_wanted.connect(self.use_wanted)
        card.resume_wanted.connect(self.resume_wanted)
        card.details_wanted.connect(self.details_wanted)
        card.check_wanted.connect(self.check_wanted)
        card.stop_wanted.connect(self.stop_wanted)
        card.reveal_wanted.connect(self.reveal_wanted)
        card.delete_wanted.connect(self.delete_wanted)
        return card


def belongs_to(model: StoredModel, key: str) -> bool:
    """Say whether the download `key` is that of `model`: the catalogue's are named by folder, others by name."""
    return not model.program and (model.path.parent.name == key or key.endswith(f":{model.name}"))
