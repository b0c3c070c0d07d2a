from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.core.events import Publish
from app.core.settings import Settings
from app.ui.application import Shell
from tests.ui.scenery import MakeStage, RecordingService, Stage


@pytest.fixture
def make_stage(qtbot: QtBot, qapp: QApplication) -> Iterator[MakeStage]:
    stages: list[Stage] = []

    def make(settings: Settings | None = None, size: tuple[int, int] = (1200, 800)) -> Stage:
        services: list[RecordingService] = []

        def make_service(publish: Publish) -> RecordingService:
            services.append(RecordingService(publish))
            return services[0]

        shell = Shell(qapp, make_service, settings or Settings(model="/models/small.gguf"))
        shell.window.resize(*size)
        shell.window.show()
        qtbot.waitUntil(lambda: bool(services and services[0].asked("list_conversations")))
        stage = Stage(shell, services)
        stages.append(stage)
        return stage

    yield make
    for stage in stages:
        stage.window.close()
        stage.window.deleteLater()
        stage.shell.appearance.deleteLater()
    QApplication.processEvents()


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    return make_stage()
