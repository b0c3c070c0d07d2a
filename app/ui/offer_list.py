"""Offers one below the other; a card whose download is under way outlives a new list."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.core.events import (
    DownloadDiscarded,
    DownloadFailed,
    DownloadFinished,
    DownloadProgressed,
    DownloadStopped,
)
from app.core.facts import Offer
from app.ui.offer_card import DownloadState, OfferCard
from app.ui.units import in_bytes

OfferEvent = DownloadProgressed | DownloadFinished | DownloadStopped | DownloadDiscarded | DownloadFailed


class OfferList(QWidget):
    """Keep one card for each offer; the signals are those of the cards."""

    download_wanted = Signal(str)
    pause_wanted = Signal()
    discard_wanted = Signal(str)
    open_wanted = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.cards: dict[str, OfferCard] = {}
        self._finished: dict[str, DownloadFinished] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(12)

    @property
    def is_running(self) -> bool:
        """Say whether one of the downloads is under way."""
        return any(card.state is DownloadState.RUNNING for card in self.cards.values())

    def show_offers(self, offers: Sequence[Offer], free_bytes: int) -> None:
        """Show `offers` in this order; the first that fits is the one recommended."""
        if [card.offer for card in self.cards.values()] != list(offers):
            self._rebuild(offers)
        best = next((offer.id for offer in offers if offer.fits), "")
        for card in self.cards.values():
            card.show_room(free_bytes)
            card.recommend(recommended=card.offer.id == best)

    def forget_states(self) -> None:
        """Show every offer as not begun, except for the one under way: the folder is another one."""
        for card in self.cards.values():
            if card.state is not DownloadState.RUNNING:
                card.show_state(DownloadState.IDLE)

    def show_event(self, event: OfferEvent) -> None:
        """Show on its card how a download is."""
        card = self.cards.get(event.offer_id)
        if card is None:
            return
        match event:
            case DownloadProgressed():
                card.show_progress(event)
            case DownloadFinished():
                self._finished[event.offer_id] = event
                card.show_state(DownloadState.FINISHED, "On this computer.")
            case DownloadStopped():
                card.show_state(DownloadState.PAUSED, "Paused; what arrived is kept.")
            case DownloadDiscarded():
                card.show_discarded(f"Deleted, which freed {in_bytes(event.freed_bytes)}.")
            case DownloadFailed():
                card.show_state(DownloadState.FAILED, event.sentence)

    def allow(self, *, allowed: bool) -> None:
        """Let downloads be begun, or not."""
        for card in self.cards.values():
            card.allow(allowed=allowed)

    def _rebuild(self, offers: Sequence[Offer]) -> None:
        old, self.cards = self.cards, {}
        while self._column.takeAt(0) is not None:
            pass
        for offer in offers:
            kept = old.pop(offer.id, None)
            if kept is not None and kept.state is DownloadState.IDLE:
                old[offer.id], kept = kept, None
            self.cards[offer.id] = card = kept or self._make_card(offer)
            self._column.addWidget(card)
        for card in old.values():
            card.hide()
            card.deleteLater()

    def _make_card(self, offer: Offer) -> OfferCard:
        card = OfferCard(offer)
        card.download_wanted.connect(self.download_wanted)
        card.pause_wanted.connect(self.pause_wanted)
        card.discard_wanted.connect(self.discard_wanted)
        card.open_wanted.connect(self._open)
        return card

    def _open(self, offer_id: str) -> None:
        done = self._finished[offer_id]
        self.open_wanted.emit(done.model, done.projector)
