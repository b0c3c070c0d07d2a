"""Ask for files and folders without holding up the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from app.core.titles import suggest_file_name

CHATS = "Exported chats (*.json);;All files (*)"
MODELS = "Models (*.gguf);;All files (*)"
PICTURES = "Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.tif *.tiff *.heic *.heif *.hif *.avif);;All files (*)"


def ask_file(parent: QWidget, title: str, kinds: str, then: Callable[[Path], None]) -> None:
    """Let the person choose one file, then call `then` with it."""
    dialog = QFileDialog(parent, title, "", kinds)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.fileSelected.connect(lambda path: then(Path(path)))
    _open(dialog)


def ask_files(parent: QWidget, title: str, kinds: str, then: Callable[[list[Path]], None]) -> None:
    """Let the person choose files, then call `then` with them."""
    dialog = QFileDialog(parent, title, "", kinds)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
    dialog.filesSelected.connect(lambda paths: then([Path(path) for path in paths]))
    _open(dialog)


def ask_folder(parent: QWidget, title: str, start: str, then: Callable[[Path], None]) -> None:
    """Let the person choose a folder, then call `then` with it."""
    dialog = QFileDialog(parent, title, start)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    dialog.fileSelected.connect(lambda path: then(Path(path)))
    _open(dialog)


def ask_target(parent: QWidget, title: str, name: str, suffix: str, then: Callable[[Path], None]) -> None:
    """Let the person choose where to write a file, then call `then` with that place."""
    dialog = QFileDialog(parent, title, "", f"*.{suffix}")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(suffix)
    dialog.selectFile(f"{suggest_file_name(name)}.{suffix}")
    dialog.fileSelected.connect(lambda path: then(Path(path)))
    _open(dialog)


def _open(dialog: QFileDialog) -> None:
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
