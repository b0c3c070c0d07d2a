"""One model that can be downloaded, and how far its download is."""

from __future__ import annotations

from enum import Enum, auto

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from app.core.events import DownloadProgressed
from app.core.facts import Offer
from app.ui.controls import ElidedLabel, make_button, make_label, set_look
from app.ui.units import in_bytes, in_time

_STEPS = 1000


class DownloadState(Enum):
    """How a download is."""

    IDLE = auto()
    RUNNING = auto()
    PAUSED = auto()
    FAILED = auto()
    FINISHED = auto()


class OfferCard(QFrame):
    """Show an offer; the signals carry its id."""

    download_wanted = Signal(str)
    pause_wanted = Signal()
    discard_wanted = Signal(str)
    open_wanted = Signal(str)

    def __init__(self, offer: Offer) -> None:
        super().__init__()
        self.setObjectName("card")
        self.offer = offer
        self.state = DownloadState.IDLE
        self._is_recommended = False
        self.button = make_button("Download", "primary")
        self.button.clicked.connect(self._press)
        self.progress = QProgressBar(textVisible=False, maximum=_STEPS)
        self.progress.setAccessibleName(f"Download of {offer.title}")
        self.progress.setFixedHeight(4)
        self.line = make_label("", "small", wraps=True)
        self.room = make_label("", "bad", wraps=True)
        self.room.hide()
        self.cancel_button = make_button("Cancel…", "link")
        self.cancel_button.setAccessibleName(f"Cancel: {offer.title}")
        self.cancel_button.clicked.connect(self._ask)
        self.keep_button = make_button("Keep what arrived", "primary")
        self.keep_button.clicked.connect(self._keep)
        self.discard_button = make_button("Delete it")
        self.discard_button.clicked.connect(self._discard)
        self.asking = QWidget()
        self._lay_out()
        self.show_state(DownloadState.IDLE)

    def show_room(self, free_bytes: int) -> None:
        """Warn when the folder's volume has too little room."""
        short = self.offer.total_bytes - free_bytes
        self.room.setVisible(short > 0 and self.state is not DownloadState.FINISHED)
        self.room.setText(
            f"The folder’s disk has {in_bytes(free_bytes)} free; {in_bytes(max(0, short))} more are needed."
        )

    def recommend(self, *, recommended: bool) -> None:
        """Make the button the one that catches the eye, or not."""
        self._is_recommended = recommended
        self._dress_button()

    def show_progress(self, event: DownloadProgressed) -> None:
        """Show how far the download is."""
        self.show_state(DownloadState.RUNNING)
        self.progress.setValue(round(_STEPS * event.done_bytes / max(1, event.total_bytes)))
        self.line.setText(in_words(event))

    def show_state(self, state: DownloadState, sentence: str = "") -> None:
        """Show that the download is in `state`; `sentence` says why, where it failed."""
        self.state = state
        text = {
            DownloadState.IDLE: "Download",
            DownloadState.RUNNING: "Pause",
            DownloadState.PAUSED: "Go on",
            DownloadState.FAILED: "Try again",
            DownloadState.FINISHED: "Open",
        }[state]
        self.button.setText(text)
        self.button.setAccessibleName(f"{text}: {self.offer.title}")
        self._dress_button()
        self.progress.setVisible(state in (DownloadState.RUNNING, DownloadState.PAUSED, DownloadState.FAILED))
        set_look(self.line, look="error" if state is DownloadState.FAILED else "small")
        self.line.setText(sentence)
        self.line.setVisible(state is not DownloadState.IDLE)
        can_cancel = state in (DownloadState.RUNNING, DownloadState.PAUSED, DownloadState.FAILED)
        self.cancel_button.setVisible(can_cancel)
        self.asking.setVisible(can_cancel and self.asking.isVisibleTo(self))

    def show_discarded(self, sentence: str) -> None:
        """Show that nothing is left of the download."""
        self.show_state(DownloadState.IDLE, sentence)
        self.line.show()

    def allow(self, *, allowed: bool) -> None:
        """Let the button be pressed, or not while another download runs."""
        self.button.setEnabled(allowed or self.state in (DownloadState.RUNNING, DownloadState.FINISHED))
        self.button.setToolTip("" if self.button.isEnabled() else "Another download is running.")

    def _dress_button(self) -> None:
        plain = (DownloadState.RUNNING, DownloadState.IDLE)
        primary = self.state not in plain or (self.state is DownloadState.IDLE and self._is_recommended)
        set_look(self.button, look="primary" if primary else "")

    def _press(self) -> None:
        if self.state is DownloadState.RUNNING:
            self.pause_wanted.emit()
        elif self.state is DownloadState.FINISHED:
            self.open_wanted.emit(self.offer.id)
        else:
            self.show_state(DownloadState.RUNNING, "Connecting…")
            self.download_wanted.emit(self.offer.id)

    def _ask(self) -> None:
        self.asking.show()
        self.keep_button.setFocus()

    def _keep(self) -> None:
        self.asking.hide()
        if self.state is DownloadState.RUNNING:
            self.pause_wanted.emit()

    def _discard(self) -> None:
        self.asking.hide()
        self.discard_wanted.emit(self.offer.id)

    def _lay_out(self) -> None:
        offer = self.offer
        about = "" if offer.exact else "about "
        facts = f"{offer.repository} · {offer.quantization} · {about}{in_bytes(offer.total_bytes)} · {offer.licence}"
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(4)
        row = QHBoxLayout()
        row.setSpacing(16)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(ElidedLabel(offer.title, "strong"))
        words.addWidget(ElidedLabel(facts, "small"))
        row.addLayout(words, 1)
        row.addWidget(self.cancel_button, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(row)
        column.addWidget(make_label(offer.description, "secondary", wraps=True))
        column.addWidget(make_label(offer.fit, "good" if offer.fits else "bad", wraps=True))
        column.addWidget(self.room)
        column.addSpacing(2)
        column.addWidget(self.progress)
        column.addWidget(self.line)
        asking = QHBoxLayout(self.asking)
        asking.setContentsMargins(0, 4, 0, 0)
        asking.addWidget(make_label("Keep what has arrived, to go on later, or delete it?", "bad", wraps=True), 1)
        asking.addWidget(self.discard_button)
        asking.addWidget(self.keep_button)
        column.addWidget(self.asking)
        self.asking.hide()


def in_words(event: DownloadProgressed) -> str:
    """Return how far a download is: bytes, speed and time left, and what is unusual on a line of its own."""
    done = f"{in_bytes(event.done_bytes)} of {in_bytes(event.total_bytes)}"
    words = [f"Checking what arrived · {done}"] if event.verifying else [done]
    if event.bytes_per_second > 0 and not event.verifying:
        words.append(f"{in_bytes(round(event.bytes_per_second))}/s")
    if event.seconds_left is not None and not event.verifying:
        words.append(f"{in_time(event.seconds_left)} left")
    return "\n".join(filter(None, (" · ".join(words), event.waiting, event.note)))
