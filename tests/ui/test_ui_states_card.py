from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from app.core.settings import Settings
from app.ui.settings_page import SettingsPage


@pytest.fixture
def page(qtbot: QtBot) -> SettingsPage:
    page = SettingsPage()
    qtbot.addWidget(page)
    return page


def test_what_is_kept_of_recent_chats_can_be_chosen(page: SettingsPage, qtbot: QtBot) -> None:
    page.show_settings(Settings())
    assert (page.states.disk.value, page.states.memory.value) == (2, 2)
    with qtbot.waitSignal(page.changed) as told:
        page.states.disk.segment(3).click()
    assert told.args == [Settings(state_disk_mib=32768)]
    with qtbot.waitSignal(page.changed) as told:
        page.states.memory.segment(0).click()
    assert told.args == [Settings(state_disk_mib=32768, state_ram_mib=0)]


def test_keeping_on_disk_can_be_turned_off_and_on(page: SettingsPage, qtbot: QtBot) -> None:
    page.show_settings(Settings())
    with qtbot.waitSignal(page.changed) as told:
        page.states.disk.segment(0).click()
    assert told.args == [Settings(keep_states=False)]
    page.show_settings(Settings(keep_states=False))
    assert page.states.disk.value == 0
    with qtbot.waitSignal(page.changed) as told:
        page.states.disk.segment(1).click()
    assert told.args == [Settings(state_disk_mib=2048)]


def test_a_limit_that_someone_wrote_into_the_file_stays(page: SettingsPage, qtbot: QtBot) -> None:
    mine = Settings(state_disk_mib=5000, state_ram_mib=777)
    page.show_settings(mine)
    with qtbot.waitSignal(page.changed) as told:
        page.theme.choose(2)
    assert (told.args[0].state_disk_mib, told.args[0].state_ram_mib) == (5000, 777)
