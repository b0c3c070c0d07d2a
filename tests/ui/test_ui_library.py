"""The models on this computer, repositories and connections, as the window shows them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, QUrl, Slot
from PySide6.QtGui import QDesktopServices

from app.core.events import DownloadProgressed, ModelLoaded, OffersListed
from app.core.library import (
    CheckEnded,
    CheckProgressed,
    Connection,
    ConnectionsListed,
    LibraryListed,
    RepositoryListed,
    RepositoryRefused,
    StoredModel,
    StoredModelDeleted,
    StoredModelDescribed,
    StoredState,
)
from app.core.settings import Settings
from app.ui.connections_page import NOTHING
from app.ui.stored_card import StoredCard
from tests.ui.scenery import MakeStage, Stage, hardware, offer

FOLDER = Path("/models")
WHOLE = StoredModel(
    path=FOLDER / "whole" / "m.gguf",
    name="whole",
    state=StoredState.COMPLETE,
    done_bytes=14_300_000_000,
    total_bytes=14_300_000_000,
    verified=True,
    files=(FOLDER / "whole" / "m.gguf",),
    last_used=datetime(2026, 3, 5, tzinfo=UTC),
    checksum_known=True,
    deletable_bytes=15_000_000_000,
)
PARTIAL = replace(
    WHOLE,
    path=FOLDER / "part" / "p.gguf",
    name="part",
    state=StoredState.PARTIAL,
    done_bytes=7_150_000_000,
    verified=False,
    files=(),
)
DAMAGED = replace(WHOLE, path=FOLDER / "bad" / "b.gguf", name="bad", state=StoredState.DAMAGED)
FOREIGN = replace(
    WHOLE, path=Path("/ollama/blob"), name="mistral:24b", program="Ollama", verified=False, last_used=None
)


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    stage = make_stage(Settings())
    stage.shell.presenter.commands.show_page("models")
    stage.show(OffersListed(hardware(), (offer("small"),), FOLDER, 500_000_000_000))
    stage.show(LibraryListed(FOLDER, (WHOLE, PARTIAL, DAMAGED, FOREIGN)))
    return stage


def card(stage: Stage, model: StoredModel = WHOLE) -> StoredCard:
    return stage.window.models.library.cards[model.path]


@pytest.mark.parametrize(
    ("model", "state", "button"),
    [
        (WHOLE, "On disk, verified", "Use"),
        (PARTIAL, "Partial, 50\u202f%", "Go on"),
        (DAMAGED, "Damaged", ""),
        (FOREIGN, "On disk", "Use"),
    ],
)
def test_each_model_says_how_it_is_and_offers_what_helps(
    stage: Stage, model: StoredModel, state: str, button: str
) -> None:
    shown = card(stage, model)
    assert shown.state.text() == state
    assert shown.main_button.isVisible() == bool(button)
    assert not button or shown.main_button.text() == button
    assert shown.repair_button.isVisible() == (model is DAMAGED)
    assert shown.delete_button.isVisible() == (model is not FOREIGN)


def test_size_and_last_use_are_shown(stage: Stage) -> None:
    assert card(stage).facts.text().startswith("14.3\u202fGB · last used ")
    assert "26" in card(stage).facts.text()
    assert "belongs to Ollama and is used in place, never changed" in card(stage, FOREIGN).facts.text()


def test_buttons_ask_the_service_for_the_model_they_stand_beside(stage: Stage) -> None:
    card(stage).main_button.click()
    card(stage, PARTIAL).main_button.click()
    card(stage).details_button.click()
    card(stage).check_button.click()
    card(stage, DAMAGED).repair_button.click()
    asked = stage.service.asked
    assert asked("use") == [(WHOLE,)]
    assert asked("resume") == [(PARTIAL,)]
    assert asked("describe") == [(WHOLE,)]
    assert asked("check") == [(WHOLE.path, ("repair", False)), (DAMAGED.path, ("repair", True))]


def test_deleting_is_asked_with_the_bytes_it_frees(stage: Stage) -> None:
    shown = card(stage)
    shown.delete_button.click()
    assert shown.confirm.isVisible()
    assert "frees 15\u202fGB" in shown.question.text()
    assert shown.no_button.hasFocus(), "Enter keeps it"
    shown.no_button.click()
    assert stage.service.asked("delete") == []
    shown.delete_button.click()
    shown.yes_button.click()
    assert stage.service.asked("delete") == [(WHOLE,)]
    stage.show(StoredModelDeleted(WHOLE.path, 15_000_000_000), LibraryListed(FOLDER, (PARTIAL,)))
    assert stage.window.models.library.said.text() == "m.gguf was deleted, which freed 15\u202fGB."
    assert list(stage.window.models.library.cards) == [PARTIAL.path]


def test_the_model_in_use_is_marked_and_can_not_be_deleted(stage: Stage) -> None:
    stage.show(ModelLoaded(WHOLE.path, None, "whole", 4096, False, True, 1.0, ()))
    assert card(stage).state.text() == "In use"
    assert not card(stage).delete_button.isEnabled()
    assert not card(stage).main_button.isVisibleTo(card(stage))


def test_details_unfold_and_fold(stage: Stage) -> None:
    stage.show(StoredModelDescribed(WHOLE.path, (("Family", "mistral4"), ("Quantization", "Q4_K_M"))))
    assert card(stage).details.isVisible()
    card(stage).details_button.click()
    assert not card(stage).details.isVisible()


def test_a_check_shows_progress_and_can_be_stopped(stage: Stage) -> None:
    stage.show(CheckProgressed(WHOLE.path, 5_000_000_000, 10_000_000_000, 33.0, "Checking"))
    shown = card(stage)
    assert shown.progress.value() == 500
    assert shown.line.text() == "Checking · 5\u202fGB of 10\u202fGB · 33\u202fs left"
    shown.check_button.click()
    assert stage.service.asked("stop_check") == [()]
    stage.show(CheckEnded(WHOLE.path, None, "The check was stopped."))
    assert shown.check_button.text() == "Check"
    assert not shown.progress.isVisible()


def test_damage_that_a_check_finds_offers_to_fetch_only_that(stage: Stage) -> None:
    stage.show(CheckEnded(WHOLE.path, False, "m.gguf is damaged: 16.8 MB are not as they must be.", 16_777_216))
    assert card(stage).repair_button.isVisible()
    card(stage).repair_button.click()
    assert stage.service.asked("check") == [(WHOLE.path, ("repair", True))]


def test_damage_in_another_program_s_file_is_left_to_it(stage: Stage) -> None:
    stage.show(CheckEnded(FOREIGN.path, False, "It is damaged.", 100))
    assert not card(stage, FOREIGN).repair_button.isVisible()
    assert card(stage, FOREIGN).line.text() == "It is damaged. Let Ollama fetch it again."


def test_a_running_download_is_shown_on_the_partial_model(stage: Stage) -> None:
    stage.show(DownloadProgressed("part", "p.gguf", 5, 10, 0.0, None))
    assert card(stage, PARTIAL).progress.isVisible()
    assert not card(stage).progress.isVisible()


class Opener(QObject):
    """Take what would be opened in the file manager."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    @Slot(QUrl)
    def take(self, url: QUrl) -> None:
        self.opened.append(url.toLocalFile())


def test_a_model_s_folder_is_shown_in_the_file_manager(stage: Stage) -> None:
    opener = Opener()
    QDesktopServices.setUrlHandler("file", opener, "take")
    try:
        card(stage).reveal_button.click()
    finally:
        QDesktopServices.unsetUrlHandler("file")
    assert opener.opened == [str(WHOLE.path.parent)]


# --- a repository -------------------------------------------------------------------------------


def test_a_repository_is_looked_up_and_downloaded_with_the_chosen_projector(stage: Stage) -> None:
    section = stage.window.models.repository
    section.input.setText(" maker/m-GGUF ")
    section.button.click()
    assert stage.service.asked("look_up") == [("maker/m-GGUF",)]
    assert not section.button.isEnabled()
    found = replace(offer("x"), id="maker/m-GGUF:x", repository="maker/m-GGUF")
    stage.show(RepositoryListed("maker/m-GGUF", (found,), ("mmproj-F16.gguf", "mmproj-BF16.gguf")))
    assert section.button.isEnabled()
    section.projector.setCurrentIndex(1)
    section.offers.cards[found.id].button.click()
    assert stage.service.asked("download_listed") == [(found, "mmproj-BF16.gguf", FOLDER)]
    stage.show(DownloadProgressed(found.id, "x.gguf", 5, 10, 0.0, None))
    assert section.offers.cards[found.id].progress.value() == 500
    assert not stage.window.models.cards["small"].button.isEnabled(), "one at a time"


def test_a_repository_that_can_not_be_listed_says_why_in_its_place(stage: Stage) -> None:
    stage.show(RepositoryRefused("x", "“x” is not the name of a repository."))
    assert stage.window.models.repository.line.text() == "“x” is not the name of a repository."
    assert stage.window.models.repository.button.isEnabled()


# --- connections --------------------------------------------------------------------------------


def test_without_any_connection_the_page_says_so(stage: Stage) -> None:
    stage.window.models.connections_button.click()
    page = stage.window.connections
    assert stage.window.page == "connections"
    assert stage.service.asked("list_connections") == [()]
    assert page.summary.text() == NOTHING == "This program has not contacted anything."
    assert page.rows() == 0


def test_every_connection_is_a_row_and_old_ones_are_sums(stage: Stage) -> None:
    at = datetime.now().astimezone()
    listed = tuple(Connection(at, "hub.example:443", f"GET /{n}", "answer 200", 10**6) for n in range(300))
    stage.show(ConnectionsListed(listed, (("old.example:443", 12, 3_000_000),)))
    page = stage.window.connections
    assert page.rows() == 200
    page.more_button.click()
    assert page.rows() == 300
    assert page.summary.text() == (
        "hub.example:443: 300 times, 300\u202fMB; old.example:443: 12 times, 3\u202fMB. "
        "The 12 oldest ones are kept as sums."
    )
