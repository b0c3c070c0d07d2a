"""The models: those on this computer, those that can be downloaded, and the tasks of the first run."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from app.core.cpu import cores_in_words
from app.core.events import DownloadEvent, DownloadProgressed, OffersListed
from app.core.facts import Hardware
from app.core.library import ConnectionsListed, LibraryEvent, RepositoryListed, RepositoryRefused
from app.ui.appearance import Appearance
from app.ui.built_in_card import BuiltInCard
from app.ui.controls import ElidedLabel, make_button, make_label
from app.ui.first_run_card import FirstRunCard
from app.ui.library_section import LibrarySection
from app.ui.offer_card import OfferCard
from app.ui.offer_list import OfferList
from app.ui.page import Page, clear_layout, make_card
from app.ui.plan_card import make_sentences
from app.ui.repository_section import RepositorySection
from app.ui.units import UNBROKEN, in_bytes, in_memory

# KiB per second
_LIMITS = (0, 1024, 2048, 5120, 10240, 25600, 51200)


class ModelsPage(Page):
    """Show the machine, its models and the offers; `open_wanted` carries a model and its projector (or None)."""

    download_wanted = Signal(str)
    listed_download_wanted = Signal(object, str)  # an offer of a repository, and a projector's name
    pause_wanted = Signal()
    discard_wanted = Signal(str)
    open_wanted = Signal(object, object)
    folder_wanted = Signal()
    file_wanted = Signal()
    connections_wanted = Signal()
    limit_changed = Signal(int)

    def __init__(self, appearance: Appearance) -> None:
        super().__init__("Models")
        self.target: Path | None = None
        self._free_bytes = 0
        self.title = make_label("Welcome to Solo", "display", wraps=True)
        self.intro = make_label("", "secondary", wraps=True)
        self.first_run = FirstRunCard(appearance, lambda event: describe(event.hardware))
        self.first_run.hide()
        self.first_run_button = make_button("Set up step by step", "link")
        self.machine = make_label("Looking at this computer…", wraps=True)
        self._notes = QVBoxLayout()
        self.folder = ElidedLabel("", "secondary")
        self.free = make_label("", "small")
        self.limit = _make_limit()
        self.built_in = BuiltInCard()
        self.library = LibrarySection()
        self.offers = OfferList()
        self.repository = RepositorySection()
        self.file_button = make_button("Open a model file…")
        self.connections_button = make_button("Connections…")
        self._lay_out()
        self._connect()
        self.welcome(first=False)

    @property
    def cards(self) -> dict[str, OfferCard]:
        """Return the cards of the catalogue's offers by id."""
        return self.offers.cards

    def welcome(self, *, first: bool) -> None:
        """Greet a person who has only the built-in model yet, or be the plain page about models."""
        self.title.setVisible(first)
        self.intro.setText(
            "Solo chats with a model that runs on this computer. A tiny one is built in; choose a real one: "
            "after the download, nothing you write or show it leaves this machine."
            if first
            else "Use a model that is here, download one, or open a GGUF file you already have."
        )

    def show_first_run(self, *, shown: bool) -> None:
        """Show the tasks of the first run, or the way back to them."""
        self.first_run.setVisible(shown)
        self.first_run_button.setVisible(not shown)

    def show_limit(self, limit_kib: int) -> None:
        """Show the speed limit without telling anyone of a change."""
        self.limit.blockSignals(True)
        if self.limit.findData(limit_kib) < 0:
            self.limit.addItem(_limit_words(limit_kib), limit_kib)
        self.limit.setCurrentIndex(self.limit.findData(limit_kib))
        self.limit.blockSignals(False)

    def show_event(self, event: DownloadEvent) -> None:
        """Show offers, or how a download is."""
        self.first_run.show_download(event)
        if isinstance(event, OffersListed):
            self._show_offers(event)
        else:
            for offers in (self.offers, self.repository.offers):
                offers.show_event(event)
            if isinstance(event, DownloadProgressed):
                self.library.show_download(event)
        self._allow()

    def show_library(self, event: LibraryEvent) -> None:
        """Show what became known of the models here, or of a repository."""
        match event:
            case RepositoryListed():
                self.repository.show_listing(event, self._free_bytes)
                self._allow()
            case RepositoryRefused():
                self.repository.show_refusal(event)
            case ConnectionsListed():
                raise ValueError("connections have a page of their own")
            case _:
                self.library.show_event(event)

    def _show_offers(self, event: OffersListed) -> None:
        if event.target != self.target:  # what is said of each card belongs to the folder before
            self.offers.forget_states()
            self.repository.offers.forget_states()
        self.target, self._free_bytes = event.target, event.free_bytes
        self.machine.setText(describe(event.hardware))
        clear_layout(self._notes)
        if event.hardware.notes:
            self._notes.addWidget(make_sentences(event.hardware.notes))
        self.folder.set_full_text(str(event.target))
        self.free.setText(f"{in_bytes(event.free_bytes)} free")
        self.offers.show_offers(event.offers, event.free_bytes)

    def _download(self, offer_id: str) -> None:
        self._allow()
        offer = self.repository.offer(offer_id)
        if offer is not None:
            self.listed_download_wanted.emit(offer, self.repository.chosen_projector)
        else:
            self.download_wanted.emit(offer_id)

    def _allow(self) -> None:
        running = self.offers.is_running or self.repository.offers.is_running
        self.offers.allow(allowed=not running)
        self.repository.offers.allow(allowed=not running)

    def _connect(self) -> None:
        for offers in (self.offers, self.repository.offers):
            offers.download_wanted.connect(self._download)
            offers.pause_wanted.connect(self.pause_wanted)
            offers.discard_wanted.connect(self.discard_wanted)
            offers.open_wanted.connect(self.open_wanted)
        self.first_run.download_wanted.connect(self.download_wanted)
        self.first_run.pause_wanted.connect(self.pause_wanted)
        self.first_run.open_wanted.connect(self.open_wanted)
        self.first_run.folder_wanted.connect(self.folder_wanted)
        self.file_button.clicked.connect(self.file_wanted)
        self.connections_button.clicked.connect(self.connections_wanted)
        self.limit.currentIndexChanged.connect(lambda: self.limit_changed.emit(int(self.limit.currentData())))

    def _lay_out(self) -> None:
        self.column.addWidget(self.title)
        self.column.addWidget(self.intro)
        self.column.addWidget(self.first_run)
        self.column.addLayout(_heading("On this computer", self.first_run_button))
        self.column.addWidget(self.built_in)
        self.column.addWidget(self.library)
        row = QHBoxLayout()
        row.addWidget(make_label("A file somewhere else?", "secondary"))
        row.addWidget(self.file_button)
        row.addStretch(1)
        self.column.addLayout(row)
        self.column.addLayout(_heading("Download", self.connections_button))
        self.column.addWidget(self._make_machine_card())
        self.column.addWidget(self.offers)
        self.column.addWidget(self.repository)

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
        limit = QHBoxLayout()
        limit.addWidget(make_label("Download speed", "secondary"))
        limit.addStretch(1)
        limit.addWidget(self.limit)
        column.addLayout(limit)
        return card


def describe(hardware: Hardware) -> str:
    """Return in one glance what is in this computer."""
    cards = [f"{gpu.name} ({in_memory(gpu.total_bytes)})" for gpu in hardware.gpus] or ["No usable GPU"]
    ram = f"{in_memory(hardware.ram_total_bytes)} of RAM"
    cpu = f"{hardware.cpu_name}, {cores_in_words(hardware.cpu_cores, UNBROKEN)}"
    return f"{' · '.join(cards)}\n{ram} · {cpu}"


def _heading(text: str, button: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(0, 12, 0, 0)
    row.addWidget(make_label(text, "title"), 1)
    row.addWidget(button)
    return row


def _make_limit() -> QComboBox:
    limit = QComboBox()
    limit.setAccessibleName("Speed limit for downloads")
    limit.setMinimumWidth(180)
    for value in _LIMITS:
        limit.addItem(_limit_words(value), value)
    return limit


def _limit_words(limit_kib: int) -> str:
    return f"At most {in_memory(limit_kib * 1024)}/s" if limit_kib else "As fast as it goes"
