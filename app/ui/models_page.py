"""Choose a model: what is in this computer and what fits it. Also the first page ever seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.core.events import (
    DownloadEvent,
    DownloadFailed,
    DownloadFinished,
    DownloadProgressed,
    DownloadStopped,
    OffersListed,
)
from app.core.facts import Hardware
from app.ui.appearance import Appearance
from app.ui.controls import ElidedLabel, make_button, make_label
from app.ui.offer_card import DownloadState, OfferCard
from app.ui.page import Page, clear_layout, make_card
from app.ui.plan_card import make_sentences
from app.ui.units import UNBROKEN, in_bytes, in_memory


class ModelsPage(Page):
    """Show the machine and the offers; `open_wanted` carries a model and its projector (or None)."""

    download_wanted = Signal(str)
    pause_wanted = Signal()
    open_wanted = Signal(object, object)
    folder_wanted = Signal()
    file_wanted = Signal()

    def __init__(self, appearance: Appearance) -> None:
        super().__init__("Models")
        self._appearance = appearance
        self._finished: dict[str, DownloadFinished] = {}
        self.cards: dict[str, OfferCard] = {}
        self.target: Path | None = None
        self.title = make_label("Welcome to Solo", "display", wraps=True)
        self.intro = make_label("", "secondary", wraps=True)
        self.machine = make_label("Looking at this computer…", wraps=True)
        self._notes = QVBoxLayout()
        self.folder = ElidedLabel("", "secondary")
        self.free = make_label("", "small")
        self._offers = QVBoxLayout()
        self._offers.setSpacing(12)
        self.file_button = make_button("Open a model file…")
        self.file_button.clicked.connect(self.file_wanted)
        self._lay_out()
        self.welcome(first=False)

    def welcome(self, *, first: bool) -> None:
        """Greet a person who has no model yet, or be the plain page about models."""
        self.title.setVisible(first)
        self.intro.setText(
            "Solo chats with a model that runs on this computer. Choose one: after the download, "
            "nothing you write or show it leaves this machine."
            if first
            else "Download a model, or open a GGUF file you already have."
        )

    def show_event(self, event: DownloadEvent) -> None:
        """Show offers, or how a download is."""
        match event:
            case OffersListed():
                self._show_offers(event)
            case DownloadProgressed():
                self._on_card(event.offer_id, lambda card: card.show_progress(event))
            case DownloadFinished():
                self._finished[event.offer_id] = event
                self._on_card(event.offer_id, _state(DownloadState.FINISHED, "On this computer."))
            case DownloadStopped():
                self._on_card(event.offer_id, _state(DownloadState.PAUSED, "Paused; what arrived is kept."))
            case DownloadFailed():
                self._on_card(event.offer_id, _state(DownloadState.FAILED, event.sentence))
        self._allow()

    def _show_offers(self, event: OffersListed) -> None:
        if event.target != self.target:  # what is said of each card belongs to the folder before
            for card in self.cards.values():
                if card.state is not DownloadState.RUNNING:
                    card.show_state(DownloadState.IDLE)
        self.target = event.target
        self.machine.setText(describe(event.hardware))
        clear_layout(self._notes)
        if event.hardware.notes:
            self._notes.addWidget(make_sentences(event.hardware.notes))
        self.folder.set_full_text(str(event.target))
        self.free.setText(f"{in_bytes(event.free_bytes)} free")
        if [card.offer for card in self.cards.values()] != list(event.offers):
            self._rebuild(event)
        best = next((offer.id for offer in event.offers if offer.fits), "")
        for card in self.cards.values():
            card.show_room(event.free_bytes)
            card.recommend(recommended=card.offer.id == best)

    def _rebuild(self, event: OffersListed) -> None:
        old, self.cards = self.cards, {}
        while self._offers.takeAt(0) is not None:
            pass
        for offer in event.offers:
            kept = old.pop(offer.id, None)
            busy = kept is not None and kept.state is not DownloadState.IDLE
            card = kept if kept is not None and busy else self._make_card(offer.id, event)
            if kept is not None and not busy:
                old[offer.id] = kept
            self.cards[offer.id] = card
            self._offers.addWidget(card)
        for card in old.values():
            card.hide()
            card.deleteLater()

    def _make_card(self, offer_id: str, event: OffersListed) -> OfferCard:
        offer = next(offer for offer in event.offers if offer.id == offer_id)
        card = OfferCard(offer)
        card.download_wanted.connect(self._download)
        card.pause_wanted.connect(self.pause_wanted)
        card.open_wanted.connect(self._open)
        return card

    def _download(self, offer_id: str) -> None:
        self._allow()
        self.download_wanted.emit(offer_id)

    def _open(self, offer_id: str) -> None:
        done = self._finished[offer_id]
        self.open_wanted.emit(done.model, done.projector)

    def _on_card(self, offer_id: str, act: Callable[[OfferCard], None]) -> None:
        if offer_id in self.cards:
            act(self.cards[offer_id])

    def _allow(self) -> None:
        running = any(card.state is DownloadState.RUNNING for card in self.cards.values())
        for card in self.cards.values():
            card.allow(allowed=not running)

    def _lay_out(self) -> None:
        self.column.addWidget(self.title)
        self.column.addWidget(self.intro)
        self.column.addSpacing(4)
        self.column.addWidget(self._make_machine_card())
        offers = QWidget()
        offers.setLayout(self._offers)
        self._offers.setContentsMargins(0, 0, 0, 0)
        self.column.addWidget(offers)
        row = QHBoxLayout()
        row.addWidget(make_label("Already have one?", "secondary"))
        row.addWidget(self.file_button)
        row.addStretch(1)
        self.column.addLayout(row)

    def _make_machine_card(self) -> QWidget:
        card, column = make_card()
        column.addWidget(make_label("This computer", "strong"))
        column.addWidget(self.machine)
        column.addLayout(self._notes)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(make_label("Models go to", "secondary"))
        row.addWidget(self.folder, 1)
        row.addWidget(self.free)
        change = make_button("Change…", "link")
        change.setAccessibleName("Change the folder for models")
        change.clicked.connect(self.folder_wanted)
        row.addWidget(change)
        column.addLayout(row)
        return card


def describe(hardware: Hardware) -> str:
    """Return in one glance what is in this computer."""
    cards = [f"{gpu.name} ({in_memory(gpu.total_bytes)})" for gpu in hardware.gpus] or ["No usable GPU"]
    ram = f"{in_memory(hardware.ram_total_bytes)} of RAM"
    cpu = f"{hardware.cpu_name}, {hardware.cpu_cores}{UNBROKEN}cores"
    return f"{' · '.join(cards)}\n{ram} · {cpu}"


def _state(state: DownloadState, sentence: str) -> Callable[[OfferCard], None]:
    return lambda card: card.show_state(state, sentence)
