"""The first run: six tasks from the hardware to a loaded model, which can be left and come back to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QProgressBar, QVBoxLayout

from app.chat.first_run import Situation, list_tasks
from app.chat.offers import recommend
from app.core.events import (
    DownloadEvent,
    DownloadFailed,
    DownloadFinished,
    DownloadProgressed,
    DownloadStopped,
    ModelEvent,
    ModelLoaded,
    ModelLoadFailed,
    ModelLoadProgressed,
    ModelLoadStopped,
    ModelPlanned,
    OffersListed,
)
from app.core.facts import Offer
from app.core.library import TaskState
from app.ui.appearance import Appearance
from app.ui.controls import ElidedLabel, make_button, make_label
from app.ui.offer_card import in_words
from app.ui.task_row import TaskRow
from app.ui.units import in_bytes

_STEPS = 1000
_NO_CHOICE = "Choose…"


class FirstRunCard(QFrame):
    """Lead from one task to the next; what was chosen is handed out at once, so that it outlives a restart."""

    chosen = Signal(str)  # the id of an offer
    folder_wanted = Signal()
    download_wanted = Signal(str)
    pause_wanted = Signal()
    open_wanted = Signal(object, object)
    skipped = Signal()
    done = Signal()

    def __init__(self, appearance: Appearance, describe: Callable[[OffersListed], str]) -> None:
        super().__init__()
        self.setObjectName("card")
        self._describe = describe
        self._now = Situation()
        self._offers: dict[str, Offer] = {}
        self._wished = ""
        names = ("hardware", "choice", "place", "download", "check", "load")
        self.rows = {name: TaskRow(appearance, number) for number, name in enumerate(names, 1)}
        self.choice = QComboBox()
        self.choice.setAccessibleName("The model to set up")
        self.folder = ElidedLabel("", "secondary")
        self.change_button = make_button("Change…", "link")
        self.change_button.setAccessibleName("Change the folder for models")
        self.progress = QProgressBar(textVisible=False, maximum=_STEPS)
        self.progress.setFixedHeight(4)
        self.progress.setAccessibleName("Download")
        self.line = make_label("", "small", wraps=True)
        self.download_button = make_button("Download", "primary")
        self.load_button = make_button("Load", "primary")
        self.skip_button = make_button("Skip for now", "link")
        self._lay_out()
        self._connect()
        self._refresh()

    @property
    def situation(self) -> Situation:
        """Return what is known."""
        return self._now

    def begin(self, offer_id: str) -> None:
        """Take up what was chosen the last time, empty for nothing yet."""
        self._wished = offer_id
        self._now = replace(self._now, is_skipped=False)
        self._take_choice()

    def show_download(self, event: DownloadEvent) -> None:
        """Follow the offers and the download of what was chosen."""
        match event:
            case OffersListed():
                self._show_offers(event)
            case DownloadProgressed() if self._is_chosen(event.offer_id):
                self._now = replace(self._now, progress=event, ending=None)
            case DownloadFinished() | DownloadStopped() | DownloadFailed() if self._is_chosen(event.offer_id):
                self._now = replace(self._now, progress=None, ending=event)
            case _:
                return
        self._refresh()

    def show_model(self, event: ModelEvent) -> None:
        """Follow the loading of what was downloaded."""
        ending = self._now.ending
        path = ending.model if isinstance(ending, DownloadFinished) else None
        match event:
            case ModelPlanned() if event.path == path:
                self._now = replace(self._now, load_fraction=0.0, load_failure="")
            case ModelLoadProgressed() if self._now.load_fraction is not None:
                self._now = replace(self._now, load_fraction=event.fraction)
            case ModelLoaded():
                is_loaded = path is not None and event.path == path
                self._now = replace(self._now, load_fraction=None, load_failure="", is_loaded=is_loaded)
                if is_loaded:
                    self.done.emit()
            case ModelLoadFailed() if event.path == path:
                self._now = replace(self._now, load_fraction=None, load_failure=event.sentence)
            case ModelLoadStopped() if self._now.load_fraction is not None:
                self._now = replace(self._now, load_fraction=None)
            case _:
                return
        self._refresh()

    def _show_offers(self, event: OffersListed) -> None:
        moved = event.target != self._now.folder
        self._offers = {offer.id: offer for offer in event.offers}
        self._now = replace(self._now, machine=self._describe(event), folder=event.target, free_bytes=event.free_bytes)
        if moved and not self._now.is_downloading:
            self._now = replace(self._now, progress=None, ending=None)
        self.folder.set_full_text(str(event.target))
        self.choice.blockSignals(True)
        self.choice.clear()
        self.choice.addItem(_NO_CHOICE, "")
        for offer in event.offers:
            fits = "" if offer.fits else " · too big for this computer"
            self.choice.addItem(f"{offer.title} · {in_bytes(offer.total_bytes)}{fits}", offer.id)
        self.choice.blockSignals(False)
        self._take_choice()

    def _take_choice(self) -> None:
        """Choose what was chosen before, or else what suits this computer, which nobody has agreed to yet."""
        offer = self._offers.get(self._wished) or recommend(tuple(self._offers.values()))
        index = self.choice.findData(offer.id if offer is not None else "")
        self.choice.blockSignals(True)
        self.choice.setCurrentIndex(max(0, index))
        self.choice.blockSignals(False)
        self._now = replace(self._now, chosen=self._offers.get(str(self.choice.currentData())))
        self._refresh()

    def _choose(self) -> None:
        offer = self._offers.get(str(self.choice.currentData()))
        self._wished = offer.id if offer is not None else ""
        self._now = replace(
            self._now, chosen=offer, is_skipped=False, progress=None, ending=None, load_failure="", is_loaded=False
        )
        self.chosen.emit(self._wished)
        self._refresh()

    def _press_download(self) -> None:
        if self._now.is_downloading:
            self.pause_wanted.emit()
        elif self._now.chosen is not None:
            if self._now.chosen.id != self._wished:
                self._choose()
            self.download_wanted.emit(self._now.chosen.id)

    def _press_load(self) -> None:
        ending = self._now.ending
        if isinstance(ending, DownloadFinished):
            self.open_wanted.emit(ending.model, ending.projector)

    def _is_chosen(self, offer_id: str) -> bool:
        return self._now.chosen is not None and self._now.chosen.id == offer_id

    def _refresh(self) -> None:
        now = self._now
        for task in list_tasks(now):
            self.rows[task.name].show_task(task)
        download, load = self.rows["download"].task.state, self.rows["load"].task.state
        self.choice.setEnabled(not now.is_downloading and bool(self._offers))
        self.change_button.setEnabled(not now.is_downloading)
        self.download_button.setText(_download_words(download, begun=now.ending is not None))
        self.download_button.setVisible(download in (TaskState.OPEN, TaskState.RUNNING, TaskState.FAILED))
        self.load_button.setVisible(load in (TaskState.OPEN, TaskState.FAILED))
        self.load_button.setText("Try again" if load is TaskState.FAILED else "Load")
        self.progress.setVisible(now.progress is not None)
        self.line.setVisible(now.progress is not None)
        if now.progress is not None:
            done = now.progress.done_bytes / max(1, now.progress.total_bytes)
            self.progress.setValue(round(_STEPS * done))
            self.line.setText(in_words(now.progress))

    def _connect(self) -> None:
        self.choice.currentIndexChanged.connect(self._choose)
        self.change_button.clicked.connect(self.folder_wanted)
        self.download_button.clicked.connect(self._press_download)
        self.load_button.clicked.connect(self._press_load)
        self.skip_button.clicked.connect(self.skipped)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(14)
        head = QHBoxLayout()
        head.addWidget(make_label("Set up step by step", "strong"), 1)
        head.addWidget(self.skip_button)
        column.addLayout(head)
        for row in self.rows.values():
            column.addWidget(row)
        self.rows["choice"].below.insertWidget(0, self.choice)
        place = QHBoxLayout()
        place.addWidget(self.folder, 1)
        self.rows["place"].below.addLayout(place)
        self.rows["place"].controls.addWidget(self.change_button)
        self.rows["download"].below.addWidget(self.progress)
        self.rows["download"].below.addWidget(self.line)
        self.rows["download"].controls.addWidget(self.download_button)
        self.rows["load"].controls.addWidget(self.load_button)
        column.addWidget(
            make_label(
                "Meanwhile you can chat with the built-in model. You can leave this page, or Solo, at any point: it "
                "goes on from where it stopped.",
                "small",
                wraps=True,
            )
        )


def _download_words(state: TaskState, *, begun: bool) -> str:
    if state is TaskState.RUNNING:
        return "Pause"
    if state is TaskState.FAILED:
        return "Try again"
    return "Go on" if begun else "Download"
