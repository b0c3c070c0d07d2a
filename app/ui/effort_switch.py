"""The Fast or Think switch."""

from __future__ import annotations

import re

from app.core.messages import ReasoningEffort
from app.ui.controls import Segmented, set_look

_EFFORTS = (ReasoningEffort.NONE, ReasoningEffort.HIGH)


class EffortSwitch(Segmented):
    """Say how hard the model thinks about the next message."""

    def __init__(self) -> None:
        super().__init__("Reasoning", ("Fast", "Think"))
        set_look(self.segment(1), look="think")
        self.set_known(known=True)

    @property
    def effort(self) -> ReasoningEffort:
        """Return what the switch says."""
        return _EFFORTS[self.value]

    def set_effort(self, effort: ReasoningEffort) -> None:
        """Set the switch."""
        self.choose(_EFFORTS.index(effort))

    def toggle(self) -> None:
        """Turn the switch the other way, where the model knows it."""
        if self.isEnabled():
            self.choose(1 - self.value)

    def set_known(self, *, known: bool) -> None:
        """Say whether the model in use can be told to think; without, the switch is off."""
        self.setEnabled(known)
        if known:
            self.setToolTip("Answer at once, or think first (Ctrl+T)")
        else:
            self.setToolTip("The model in use can’t be told how hard to think.")


def settings_in_words(settings: str) -> str:
    """Return what a rendered settings block says, without the control words around it."""
    found = re.search(r'"reasoning_effort": "(\w+)"', settings)
    return f"prompt said: reasoning_effort {found[1]}" if found else ""
