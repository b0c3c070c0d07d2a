from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QFileDialog

from app.core.events import (
    DownloadDiscarded,
    DownloadFailed,
    DownloadFinished,
    DownloadProgressed,
    DownloadStopped,
    ModelPlanned,
    OffersListed,
)
from app.core.settings import Settings
from app.ui.models_page import ModelsPage, describe
from app.ui.offer_card import DownloadState, OfferCard
from tests.ui.scenery import MakeStage, Stage, hardware, offer, plan

# What the offscreen platform says of every dialog; it has no window manager to tell sizes to.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")

TARGET = Path("/models")
LISTED = OffersListed(hardware(), (offer("small"), offer("large", fits=False)), TARGET, 500_000_000_000)
HALF = DownloadProgressed("small", "model.gguf", 36_300_000_000, 72_600_000_000, 85_000_000, 427.0)


@pytest.fixture
def first(make_stage: MakeStage) -> Stage:
    stage = make_stage(Settings())
    stage.show(LISTED)
    stage.window.show_page("models")
    return stage


@pytest.fixture
def page(first: Stage) -> ModelsPage:
    return first.window.models


def card(page: ModelsPage, offer_id: str = "small") -> OfferCard:
    return page.cards[offer_id]


def test_without_a_model_of_ones_own_the_page_welcomes(first: Stage, page: ModelsPage) -> None:
    assert page.title.isVisible()
    assert page.title.text() == "Welcome to Solo"
    assert first.service.asked("list_offers") == [(None,)]
    assert first.service.asked("open_model") == []


def test_with_a_model_it_is_opened_at_once(make_stage: MakeStage) -> None:
    stage = make_stage(Settings(model="/m.gguf", projector="/p.gguf", models_folder="/elsewhere"))
    assert stage.window.page == "chat"
    assert stage.service.asked("open_at_start") == [(Path("/m.gguf"), Path("/p.gguf"))]
    assert not stage.window.models.title.isVisibleTo(stage.window.models)
    assert stage.service.asked("list_offers") == [(Path("/elsewhere"),)]


def test_the_machine_is_described_in_one_glance() -> None:
    assert describe(hardware()) == (
        "RTX 4090 (24\u202fGiB) · RTX 3090 (24\u202fGiB)\n96\u202fGiB of RAM · Ryzen 9, 32\u00a0cores"
    )


def test_an_offer_is_downloaded_paused_and_gone_on_with(first: Stage, page: ModelsPage) -> None:
    card(page).button.click()
    assert first.service.asked("download") == [("small", TARGET)]
    first.show(HALF)
    assert card(page).line.text() == "36.3\u202fGB of 72.6\u202fGB · 85\u202fMB/s · 7\u202fmin 7\u202fs left"
    assert card(page).progress.value() == 500
    assert not card(page, "large").button.isEnabled()
    card(page).button.click()
    assert first.service.asked("stop_download") == [()]
    first.show(DownloadStopped("small"))
    assert card(page).button.text() == "Go on"
    assert card(page, "large").button.isEnabled()
    card(page).button.click()
    assert first.service.asked("download") == [("small", TARGET), ("small", TARGET)]


def test_an_unknown_time_and_a_check_are_said_as_such(first: Stage, page: ModelsPage) -> None:
    first.show(DownloadProgressed("small", "m", 1_000_000, 2_000_000, 0.0, None))
    assert card(page).line.text() == "1\u202fMB of 2\u202fMB"
    first.show(DownloadProgressed("small", "m", 1_000_000, 2_000_000, 9e8, 1.0, verifying=True))
    assert card(page).line.text() == "Checking what arrived · 1\u202fMB of 2\u202fMB"


def test_something_unusual_is_said_below_the_numbers(first: Stage, page: ModelsPage) -> None:
    note = "Part of m was damaged on the disk and is downloaded again."
    first.show(DownloadProgressed("small", "m", 1_000_000, 2_000_000, 0.0, None, note=note))
    assert card(page).line.text() == f"1\u202fMB of 2\u202fMB\n{note}"


def test_no_second_download_can_be_begun_beside_one(first: Stage, page: ModelsPage) -> None:
    first.show(HALF, DownloadStopped("small"))
    card(page, "large").button.click()
    assert not card(page).button.isEnabled()  # neither before the first byte ...
    first.show(DownloadProgressed("large", "model.gguf", 1, 2, 0.0, None))
    assert not card(page).button.isEnabled()  # ... nor after it
    assert first.service.asked("download") == [("large", TARGET)]
    first.show(DownloadStopped("large"))
    assert card(page).button.isEnabled()


def test_a_failure_stands_in_the_card_with_the_button_that_helps(first: Stage, page: ModelsPage) -> None:
    first.show(HALF, DownloadFailed("small", "There is no network. Try again when it is back."))
    assert card(page).line.text() == "There is no network. Try again when it is back."
    assert card(page).button.text() == "Try again"
    card(page).button.click()
    assert first.service.asked("download") == [("small", TARGET)]


def test_a_finished_download_can_be_opened_again_later(first: Stage, page: ModelsPage) -> None:
    model, projector = TARGET / "model.gguf", TARGET / "mmproj.gguf"
    first.show(HALF, DownloadFinished("small", model, projector))
    assert card(page).state is DownloadState.FINISHED
    card(page).button.click()
    assert first.service.asked("open_model") == [(model, projector, ("anyway", False))]


def test_the_chat_comes_forward_when_a_model_is_opened(first: Stage) -> None:
    first.show(ModelPlanned(TARGET / "model.gguf", None, "Small", plan()))
    assert first.window.page == "chat"
    assert first.window.chat.empty.plan_card.isVisible()


def test_too_little_room_is_said_before_the_download(first: Stage, page: ModelsPage) -> None:
    assert not card(page).room.isVisible()
    first.show(OffersListed(hardware(), LISTED.offers, TARGET, 40_000_000_000))
    assert card(page).room.isVisible()
    assert card(page).room.text() == ("The folder’s disk has 40\u202fGB free; 32.6\u202fGB more are needed.")


def test_a_running_download_outlives_a_new_list(first: Stage, page: ModelsPage) -> None:
    first.show(HALF)
    running = card(page)
    first.show(OffersListed(hardware(), (offer("new"), offer("small")), TARGET, 500_000_000_000))
    assert card(page) is running
    assert list(page.cards) == ["new", "small"]
    assert running.state is DownloadState.RUNNING
    assert not card(page, "new").button.isEnabled()


def test_a_finished_folder_dialog_changes_the_folder(first: Stage, page: ModelsPage, tmp_path: Path) -> None:
    page.folder_wanted.emit()
    dialog = first.window.findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit(str(tmp_path))
    dialog.reject()
    assert first.service.asked("list_offers")[-1] == (tmp_path,)
    assert first.session.settings.models_folder == str(tmp_path)
    QApplication.processEvents()


def test_only_the_first_offer_that_fits_catches_the_eye(page: ModelsPage) -> None:
    assert card(page).button.property("look") == "primary"
    assert card(page, "large").button.property("look") == ""


def test_cancelling_asks_whether_to_keep_what_arrived(first: Stage, page: ModelsPage) -> None:
    first.show(HALF)
    card(page).cancel_button.click()
    assert card(page).asking.isVisible()
    card(page).keep_button.click()
    assert first.service.asked("stop_download") == [()]
    card(page).cancel_button.click()
    card(page).discard_button.click()
    assert first.service.asked("discard") == [("small", TARGET / "small")]
    first.show(DownloadDiscarded("small", 36_300_000_000))
    assert card(page).state is DownloadState.IDLE
    assert card(page).line.text() == "Deleted, which freed 36.3\u202fGB."
    assert not card(page).asking.isVisible()


def test_what_a_download_waits_for_is_said(first: Stage, page: ModelsPage) -> None:
    first.show(DownloadProgressed("small", "m", 1_000_000, 2_000_000, 0.0, None, waiting="The disk is full."))
    assert card(page).line.text() == "1\u202fMB of 2\u202fMB\nThe disk is full."


def test_a_speed_limit_is_remembered_and_shown_again(first: Stage, page: ModelsPage, make_stage: MakeStage) -> None:
    page.limit.setCurrentIndex(page.limit.findData(2048))
    assert first.session.settings.download_limit_kib == 2048
    assert first.service.asked("change_settings")[-1][0].download_limit_kib == 2048
    again = make_stage(Settings(download_limit_kib=777))
    assert again.window.models.limit.currentData() == 777
