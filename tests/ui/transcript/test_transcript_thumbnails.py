"""Pictures of kinds that Qt can't read."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QSize
from PySide6.QtWidgets import QApplication

from app.ui.transcript.thumbnails import read_picture

HEIC = Path(__file__).parents[2] / "data" / "pictures" / "turned.heic"  # 84 x 56, stored on its side


@pytest.mark.parametrize(("largest", "size"), [((200, 200), (84, 56)), ((42, 42), (42, 28)), ((200, 28), (42, 28))])
def test_a_heic_picture_is_shown_upright(qapp: QApplication, largest: tuple[int, int], size: tuple[int, int]) -> None:
    image = read_picture(HEIC, QSize(*largest))

    assert (image.width(), image.height()) == size
    assert image.pixelColor(5, 5).red() > 200
    assert image.pixelColor(image.width() - 5, 5).green() > 200


def test_an_avif_picture_is_shown(qapp: QApplication, tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), "blue").save(tmp_path / "a.avif")

    assert read_picture(tmp_path / "a.avif", QSize(100, 100)).size() == QSize(40, 20)


def test_what_is_no_picture_stays_empty(qapp: QApplication, tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"nothing")

    assert read_picture(tmp_path / "a.heic", QSize(100, 100)).isNull()
    assert read_picture(tmp_path / "gone.heic", QSize(100, 100)).isNull()
