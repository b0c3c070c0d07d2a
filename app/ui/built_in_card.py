"""The model that comes with the program, as the first entry among the models."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout

from app.core.built_in import BUILT_IN_NAME
from app.ui.controls import ElidedLabel, make_button, make_label

_ABOUT = (
    "Comes with Solo and needs neither a graphics card nor a network. It is tiny: it names shapes and colours, "
    "adds numbers and answers questions about Solo."
)


class BuiltInCard(QFrame):
    """Say that the built-in model is in use, or offer to use it."""

    use_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self.button = make_button("Use")
        self.button.setAccessibleName(f"Use {BUILT_IN_NAME}")
        self.button.clicked.connect(self.use_wanted)
        self.state = make_label("In use", "good")
        row = QHBoxLayout()
        row.setSpacing(16)
        row.addWidget(ElidedLabel(BUILT_IN_NAME, "strong"), 1)
        row.addWidget(self.state, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(make_label(_ABOUT, "secondary", wraps=True))
        self.show_in_use(in_use=False)

    def show_in_use(self, *, in_use: bool) -> None:
        """Show whether the model is in use because the person wants it to be."""
        self.state.setVisible(in_use)
        self.button.setVisible(not in_use)
