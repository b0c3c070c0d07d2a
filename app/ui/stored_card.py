"""One model on this computer: how whole it is, what its file says, and what can be done with it."""

from __future__ import annotations

from PySide6.QtCore import QDate, QLocale, Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.core.events import DownloadProgressed
from app.core.library import CheckEnded, CheckProgressed, StoredModel, StoredState
from app.ui.controls import ElidedLabel, make_button, make_label, set_look
from app.ui.page import clear_layout
from app.ui.units import in_bytes, in_percent, in_time

_STEPS = 1000


class StoredCard(QFrame):
    """Show a model; every signal carries it."""

    use_wanted = Signal(object)
    resume_wanted = Signal(object)
    details_wanted = Signal(object)
    check_wanted = Signal(object, bool)  # and whether what is damaged shall be fetched again
    stop_wanted = Signal()
    reveal_wanted = Signal(object)
    delete_wanted = Signal(object)

    def __init__(self, model: StoredModel) -> None:
        super().__init__()
        self.setObjectName("card")
        self.model = model
        self.name = ElidedLabel(model.name, "strong")
        self.state = make_label("", "good")
        self.facts = make_label("", "small", wraps=True)
        self.line = make_label("", "small", wraps=True)
        self.progress = QProgressBar(textVisible=False, maximum=_STEPS)
        self.progress.setFixedHeight(4)
        self.main_button = make_button("Use")
        self.details_button = self._make_link("Details")
        self.check_button = self._make_link("Check")
        self.repair_button = self._make_link("Fetch what is damaged again")
        self.reveal_button = self._make_link("Show in folder")
        self.delete_button = self._make_link("Delete…")
        self.confirm = QWidget()
        self.question = make_label("", "bad", wraps=True)
        self.yes_button = make_button("Delete")
        self.no_button = make_button("Keep", "primary")
        self.details = QWidget()
        self._grid = QGridLayout(self.details)
        self._is_checking = False
        self._lay_out()
        self._connect()
        self.show_model(model, in_use=False)

    def show_model(self, model: StoredModel, *, in_use: bool) -> None:
        """Show `model` as it is now."""
        self.model = model
        is_whole = model.state is StoredState.COMPLETE
        words, look = _state_words(model, in_use=in_use)
        self.state.setText(words)
        set_look(self.state, look=look)
        self.facts.setText(_facts(model))
        self.main_button.setText("Use" if is_whole else "Go on")
        can_resume = model.state is StoredState.PARTIAL and not model.program
        self.main_button.setVisible(not in_use and (is_whole or can_resume))
        self.delete_button.setVisible(not model.program)
        self.delete_button.setEnabled(not in_use)
        self.delete_button.setToolTip("Open another model first, then delete this one." if in_use else "")
        self.check_button.setVisible(bool(model.files) and model.state is not StoredState.PARTIAL)
        self.details_button.setVisible(is_whole)
        can_repair = model.state is StoredState.DAMAGED and model.checksum_known and not model.program
        self.repair_button.setVisible(can_repair)
        for button in self._buttons():
            button.setAccessibleName(f"{button.text().removesuffix('…')}: {model.name}")

    def show_details(self, details: tuple[tuple[str, str], ...]) -> None:
        """Show what the file says of itself."""
        clear_layout(self._grid)
        for row, (label, value) in enumerate(details):
            words = make_label(value, "small", wraps=True)
            words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._grid.addWidget(make_label(label, "small"), row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(words, row, 1)
        self.details.show()
        self.details_button.setText("Fewer details")

    def show_check(self, event: CheckProgressed) -> None:
        """Show how far a check or repair is."""
        self._set_checking(is_checking=True)
        self.progress.setValue(round(_STEPS * event.done_bytes / max(1, event.total_bytes)))
        words = [event.sentence, f"{in_bytes(event.done_bytes)} of {in_bytes(event.total_bytes)}"]
        if event.seconds_left is not None:
            words.append(f"{in_time(event.seconds_left)} left")
        self._say(" · ".join(words))

    def show_check_end(self, event: CheckEnded) -> None:
        """Show how a check or repair ended, with the button that helps."""
        self._set_checking(is_checking=False)
        can_repair = event.damaged_bytes > 0 and self.model.checksum_known and not self.model.program
        self.repair_button.setVisible(can_repair)
        sentence = event.sentence
        if event.damaged_bytes > 0 and self.model.program:
            sentence += f" Let {self.model.program} fetch it again."
        self._say(sentence, look={True: "good", False: "error", None: "small"}[event.whole])

    def show_download(self, event: DownloadProgressed) -> None:
        """Show how far a download that this model waits for is."""
        self.progress.show()
        self.progress.setValue(round(_STEPS * event.done_bytes / max(1, event.total_bytes)))
        self._say(f"Downloading, {in_bytes(event.done_bytes)} of {in_bytes(event.total_bytes)}")

    def _set_checking(self, *, is_checking: bool) -> None:
        self._is_checking = is_checking
        self.progress.setVisible(is_checking)
        self.check_button.setText("Stop" if is_checking else "Check")
        self.check_button.setAccessibleName(f"{self.check_button.text()}: {self.model.name}")
        self.repair_button.setEnabled(not is_checking)

    def _say(self, sentence: str, look: str = "small") -> None:
        set_look(self.line, look=look)
        self.line.setText(sentence)
        self.line.show()

    def _ask(self) -> None:
        amount = in_bytes(self.model.deletable_bytes)
        self.question.setText(f"Deleting it frees {amount}. It can’t be undone; it can be downloaded again.")
        self.confirm.show()
        self.no_button.setFocus()

    def _press_main(self) -> None:
        wanted = self.use_wanted if self.model.state is StoredState.COMPLETE else self.resume_wanted
        wanted.emit(self.model)

    def _press_check(self) -> None:
        if self._is_checking:
            self.stop_wanted.emit()
        else:
            self.check_wanted.emit(self.model, False)

    def _press_details(self) -> None:
        if self.details.isHidden():
            self.details_wanted.emit(self.model)
        else:
            self.details.hide()
            self.details_button.setText("Details")

    def _press_delete(self) -> None:
        self.confirm.hide()
        self.delete_wanted.emit(self.model)

    def _buttons(self) -> tuple[QPushButton, ...]:
        links = (self.details_button, self.check_button, self.repair_button, self.reveal_button, self.delete_button)
        return (self.main_button, *links)

    def _connect(self) -> None:
        self.main_button.clicked.connect(self._press_main)
        self.details_button.clicked.connect(self._press_details)
        self.check_button.clicked.connect(self._press_check)
        self.repair_button.clicked.connect(lambda: self.check_wanted.emit(self.model, True))
        self.reveal_button.clicked.connect(lambda: self.reveal_wanted.emit(self.model))
        self.delete_button.clicked.connect(self._ask)
        self.yes_button.clicked.connect(self._press_delete)
        self.no_button.clicked.connect(self.confirm.hide)

    def _make_link(self, text: str) -> QPushButton:
        return make_button(text, "link")

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 10)
        column.setSpacing(4)
        top = QHBoxLayout()
        top.setSpacing(12)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.name)
        words.addWidget(self.facts)
        top.addLayout(words, 1)
        top.addWidget(self.state, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self.main_button, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(top)
        column.addWidget(self.progress)
        column.addWidget(self.line)
        links = QHBoxLayout()
        links.setSpacing(4)
        links.setContentsMargins(-8, 0, 0, 0)
        for button in self._buttons()[1:]:
            links.addWidget(button)
        links.addStretch(1)
        column.addLayout(links)
        asking = QHBoxLayout(self.confirm)
        asking.setContentsMargins(0, 4, 0, 4)
        asking.addWidget(self.question, 1)
        asking.addWidget(self.yes_button)
        asking.addWidget(self.no_button)
        column.addWidget(self.confirm)
        self._grid.setContentsMargins(0, 4, 0, 4)
        self._grid.setHorizontalSpacing(24)
        self._grid.setColumnStretch(1, 1)
        column.addWidget(self.details)
        for hidden in (self.progress, self.line, self.confirm, self.details):
            hidden.hide()


def _state_words(model: StoredModel, *, in_use: bool) -> tuple[str, str]:
    if in_use:
        return "In use", "good"
    if model.state is StoredState.DAMAGED:
        return "Damaged", "bad"
    if model.state is StoredState.PARTIAL:
        return f"Partial, {in_percent(model.done_bytes / max(1, model.total_bytes))}", "bad"
    return ("On disk, verified", "good") if model.verified else ("On disk", "small")


def _facts(model: StoredModel) -> str:
    size = in_bytes(model.total_bytes)
    if model.state is StoredState.PARTIAL:
        size = f"{in_bytes(model.done_bytes)} of {size}"
    words = [size]
    if model.last_used is not None:
        used = model.last_used.astimezone()
        day = QLocale().toString(QDate(used.year, used.month, used.day), QLocale.FormatType.ShortFormat)
        words.append(f"last used {day}")
    elif model.state is StoredState.COMPLETE:
        words.append("not used yet")
    if model.program:
        words.append(f"belongs to {model.program} and is used in place, never changed")
    return " · ".join(words)
