"""Guard against a PySide6 that loses references: 6.12.0 loses one to None with every void call."""

from __future__ import annotations

import gc
import sys

from PySide6.QtWidgets import QApplication, QLabel

CALLS = 20_000
_TOLERANCE = 500


def test_void_calls_lose_no_references(qapp: QApplication) -> None:
    label = QLabel()
    text = "text"
    gc.collect()
    before = sys.getrefcount(None), sys.getrefcount(text)
    for _ in range(CALLS):
        label.setText(text)
        label.update()
    gc.collect()
    after = sys.getrefcount(None), sys.getrefcount(text)
    assert abs(after[0] - before[0]) < _TOLERANCE
    assert abs(after[1] - before[1]) < _TOLERANCE
    label.deleteLater()
