"""One task of a list: a mark for how it stands, what it is about, and its controls."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.core.library import Task, TaskState
from app.ui.appearance import Appearance
from app.ui.controls import make_label, set_look
from app.ui.icons import draw_pixmap

_MARK = 18  # pixels
# What stands in front of a task: an icon and the field of Colors it has.
_ICONS = {
    TaskState.DONE: ("check", "success"),
    TaskState.FAILED: ("circle-alert", "error"),
    TaskState.RUNNING: ("refresh-cw", "accent"),
}
_LOOKS = {TaskState.FAILED: "error", TaskState.DONE: "secondary"}


class TaskRow(QWidget):
    """Show a task; `controls` is the place for what the person can do about it, `below` for what takes room."""

    def __init__(self, appearance: Appearance, number: int) -> None:
        super().__init__()
        self._appearance = appearance
        self._number = number
        self.task = Task("", "", TaskState.WAITING)
        self.mark = QLabel()
        self.mark.setFixedWidth(_MARK + 6)
        self.title = make_label("", "strong")
        self.sentence = make_label("", "secondary", wraps=True)
        self.controls = QHBoxLayout()
        self.controls.setSpacing(8)
        self.below = QVBoxLayout()
        self.below.setSpacing(6)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.title)
        words.addWidget(self.sentence)
        words.addLayout(self.below)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.mark, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)
        row.addLayout(self.controls)
        row.setAlignment(self.controls, Qt.AlignmentFlag.AlignTop)
        appearance.changed.connect(self._paint)

    def show_task(self, task: Task) -> None:
        """Show how `task` stands."""
        self.task = task
        self.title.setText(task.title)
        set_look(self.title, look="secondary" if task.state is TaskState.WAITING else "strong")
        self.sentence.setText(task.sentence)
        self.sentence.setVisible(bool(task.sentence))
        set_look(self.sentence, look=_LOOKS.get(task.state, "secondary"))
        self.setAccessibleName(f"{task.title}: {task.state.value}. {task.sentence}")
        self._paint()

    def _paint(self) -> None:
        icon = _ICONS.get(self.task.state)
        if icon is None:
            self.mark.setText("–" if self.task.state is TaskState.SKIPPED else str(self._number))
            set_look(self.mark, look="strong" if self.task.state is TaskState.OPEN else "secondary")
            return
        color = getattr(self._appearance.colors, icon[1])
        self.mark.setPixmap(draw_pixmap(icon[0], color, _MARK, self.devicePixelRatioF()))
