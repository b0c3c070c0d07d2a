"""Any other model of the Hub: name a repository, see its quantizations, choose a projector."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from app.core.facts import Offer
from app.core.library import RepositoryListed, RepositoryRefused
from app.ui.controls import make_button, make_label, set_look
from app.ui.offer_list import OfferList
from app.ui.page import make_card

_NO_PROJECTOR = "No projector: the model sees no pictures"


class RepositorySection(QWidget):
    """Ask for a repository's name and show what it holds."""

    look_up_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.input = QLineEdit(placeholderText="owner/name, or the address of its page")
        self.input.setAccessibleName("A repository of the Hub")
        self.button = make_button("Look up")
        self.line = make_label("", "small", wraps=True)
        self.projector = QComboBox()
        self.projector.setAccessibleName("The projector, which lets the model see pictures")
        self.offers = OfferList()
        self.input.returnPressed.connect(self._look_up)
        self.button.clicked.connect(self._look_up)
        self._lay_out()

    @property
    def chosen_projector(self) -> str:
        """Return the file name of the chosen projector, empty for none."""
        return str(self.projector.currentData() or "")

    def offer(self, offer_id: str) -> Offer | None:
        """Return the offer of a repository with this id, None for one of the catalogue."""
        card = self.offers.cards.get(offer_id)
        return card.offer if card is not None else None

    def show_listing(self, event: RepositoryListed, free_bytes: int) -> None:
        """Show what a repository holds."""
        count = len(event.offers)
        noun = "model" if count == 1 else "models"
        self._say(f"{event.repository} holds {count} {noun}.")
        self.projector.clear()
        for name in event.projectors:
            self.projector.addItem(name, name)
        self.projector.addItem(_NO_PROJECTOR, "")
        self._choice.setVisible(bool(event.projectors))
        self.offers.show_offers(event.offers, free_bytes)
        self.button.setEnabled(True)

    def show_refusal(self, event: RepositoryRefused) -> None:
        """Say why there is nothing to show."""
        self._choice.hide()
        self.offers.show_offers((), 0)
        self._say(event.sentence, look="error")
        self.button.setEnabled(True)

    def _look_up(self) -> None:
        text = self.input.text().strip()
        if text:
            self.button.setEnabled(False)
            self._say("Asking the Hub…")
            self.look_up_wanted.emit(text)

    def _say(self, sentence: str, look: str = "small") -> None:
        set_look(self.line, look=look)
        self.line.setText(sentence)
        self.line.show()

    def _lay_out(self) -> None:
        card, column = make_card()
        column.addWidget(make_label("Another model of the Hub", "strong"))
        column.addWidget(
            make_label(
                "Any repository with GGUF files. What you look up is asked of the Hub, nothing else.",
                "small",
                wraps=True,
            )
        )
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.input, 1)
        row.addWidget(self.button)
        column.addLayout(row)
        column.addWidget(self.line)
        self._choice = QWidget()
        choice = QHBoxLayout(self._choice)
        choice.setContentsMargins(0, 0, 0, 0)
        choice.addWidget(make_label("With the projector", "secondary"))
        choice.addWidget(self.projector, 1)
        column.addWidget(self._choice)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(12)
        outer.addWidget(card)
        outer.addWidget(self.offers)
        self.line.hide()
        self._choice.hide()
