from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from app.core.messages import Picture
from app.ui.theme import LIGHT
from app.ui.transcript.view import TranscriptView


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    image = QImage(600, 400, QImage.Format.Format_RGB32)
    image.fill(QColor("#3366aa"))
    assert image.save(str(tmp_path / "picture.png"))
    return Picture("ab" * 32, "picture.png", "image/png", 600, 400, 300)


@pytest.fixture
def make_view(qtbot: QtBot, tmp_path: Path) -> Callable[..., TranscriptView]:
    def make(width: int = 900, height: int = 600) -> TranscriptView:
        view = TranscriptView(LIGHT, lambda picture: tmp_path / picture.name)
        qtbot.addWidget(view)
        view.resize(width, height)
        view.show()
        qtbot.waitExposed(view)
        return view

    return make


@pytest.fixture
def view(make_view: Callable[..., TranscriptView]) -> TranscriptView:
    return make_view()
