"""Run the window: build it, show it, then start everything behind it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType

from PySide6.QtCore import QEvent, QObject, QSocketNotifier, Qt, QTimer, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from app.chat.protocol import Service
from app.core.events import BugFound, Publish
from app.core.paths import RESOURCES
from app.core.settings import Settings
from app.ui.appearance import Appearance
from app.ui.presenter import Presenter
from app.ui.session import Session
from app.ui.single_instance import Wish, claim
from app.ui.transcript.view import TranscriptView
from app.ui.window import MainWindow

log = logging.getLogger(__name__)

QUIT_AFTER_START = "SOLO_QUIT_AFTER_START"


def run_window(make_service: Callable[[Publish], Service], settings: Settings, data: Path, wish: Wish) -> int:
    """Show the window and return the exit code once it was closed.

    `make_service` is called after the window was painted for the first time. If there is a window on the folder
    `data` already, it takes `wish` and this returns 0 at once. Raises StorageError when it does not answer.
    """
    application = make_application()
    instance = claim(data, wish)
    if instance is None:
        return 0
    if wish.model is not None:
        settings = replace(settings, model=str(wish.model), projector=str(wish.projector or ""))
    shell = Shell(application, make_service, settings)
    shell.started.connect(instance.serve)
    shell.window.closing.connect(instance.close)
    instance.wished.connect(shell.grant)
    forget_exceptions = _report_exceptions(shell.presenter.publish)
    forget_signals = _catch_signals(application, shell.window)
    try:
        shell.window.show()
        return application.exec()
    finally:
        forget_signals()
        shell.presenter.close()
        instance.release()
        forget_exceptions()


def make_application() -> QApplication:
    """Return the application object, named as desktops expect it."""
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    application.setApplicationName("Solo")
    application.setApplicationDisplayName("Solo")
    application.setDesktopFileName("solo")
    picture = RESOURCES / "icons" / "solo.svg"
    if picture.exists():
        application.setWindowIcon(QIcon(str(picture)))
    return application


class Shell(QObject):
    """Hold the window and its presenter, and start the service once the window is painted."""

    started = Signal()

    def __init__(
        self, application: QApplication, make_service: Callable[[Publish], Service], settings: Settings
    ) -> None:
        super().__init__()
        self._make_service = make_service
        self._service: Service | None = None
        self._is_painted = False
        self.session = Session(settings)
        self.appearance = Appearance(application, settings.theme)
        transcript = TranscriptView(self.appearance.colors, lambda picture: self._require().picture_path(picture))
        self.window = MainWindow(self.appearance, transcript)
        self.window.restore_place(settings.window_geometry)
        self.window.settings.show_settings(settings)
        self.window.chat.composer.switch.set_effort(settings.effort)
        self.presenter = Presenter(self.window, self.appearance, self.session)
        self.window.closing.connect(self.presenter.close)
        self.window.installEventFilter(self)

    def grant(self, wish: Wish) -> None:
        """Bring the window to the front, and open the model that a later start was asked for."""
        self.window.setWindowState(self.window.windowState() & ~Qt.WindowState.WindowMinimized)
        self.window.show()
        self.window.raise_()
        self.window.activateWindow()
        if wish.model is not None:
            self.presenter.commands.open_model(wish.model, wish.projector)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802, ARG002 - Qt's signature
        """Wait for the first paint."""
        if event.type() == QEvent.Type.Paint and not self._is_painted:
            self._is_painted = True
            self.window.removeEventFilter(self)
            QTimer.singleShot(0, self._start)
        return False

    def _start(self) -> None:
        self._service = self._make_service(self.presenter.publish)
        self.presenter.start(self._service)
        self.started.emit()
        if os.environ.get(QUIT_AFTER_START) == "1":
            QTimer.singleShot(0, self.window.close)

    def _require(self) -> Service:
        if self._service is None:
            raise RuntimeError("a picture was asked for before the service was there")
        return self._service


def _report_exceptions(publish: Publish) -> Callable[[], None]:
    """Log what nobody expected, and show it once; return what undoes this."""

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.error("unexpected", exc_info=(kind, error, trace))
        publish(BugFound.from_exception(error.with_traceback(trace)))

    def report_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            report(args.exc_type, args.exc_value, args.exc_traceback)

    old = sys.excepthook, threading.excepthook
    sys.excepthook, threading.excepthook = report, report_thread

    def restore() -> None:
        sys.excepthook, threading.excepthook = old

    return restore


def _catch_signals(application: QApplication, window: MainWindow) -> Callable[[], None]:
    """Close the window in order on SIGINT and SIGTERM; return what undoes this."""
    inside, outside = socket.socketpair()
    for end in (inside, outside):
        end.setblocking(False)
    notifier = QSocketNotifier(inside.fileno(), QSocketNotifier.Type.Read, application)

    def wake() -> None:
        inside.recv(64)
        window.close()

    def ignore(number: int, frame: FrameType | None) -> None:
        """Leave the work to the byte that Python writes into the socket."""

    notifier.activated.connect(wake)
    old_wakeup = signal.set_wakeup_fd(outside.fileno())
    old = {number: signal.signal(number, ignore) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_wakeup)
        notifier.setEnabled(False)
        inside.close()
        outside.close()

    return restore
