"""The first run: the built-in model, a page of offers, a download that is paused and goes on, and a chat after it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.desktop import ORIGIN, ROOT, Program, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.model, pytest.mark.timeout(600)]

REPOSITORY = "unsloth/Mistral-Small-4-119B-2603-GGUF"
MODEL = "UD-Q4_K_M/Mistral-Small-4-119B-2603-UD-Q4_K_M-{:05}-of-00002.gguf"
ERROR = (0xB3, 0x26, 0x1E)
BUTTON_X = 1085  # just inside the right edge of the tasks' buttons, from the window's corner
ACCENT = (0xB5, 0x48, 0x0F)
OFFER = "mistral-small-4-q4-k-m"


def open_models(solo: Program) -> None:
    """Press the button of the empty chat that leads to the models."""
    x = ORIGIN[0] + 376  # just inside the button's left edge, before its words

    def look() -> tuple[int, int] | None:
        picture = solo.screen.picture()
        column = [picture.getpixel((x, y)) == ACCENT for y in range(100, 720)]
        return next(((x, 100 + y + 10) for y in range(len(column) - 20) if all(column[y : y + 20])), None)

    place = wait_for(look, "the offer of a real model")
    solo.see("the offer of a real model", (place[0] - ORIGIN[0], place[1] - ORIGIN[1]))
    solo.screen.screenshot("light-first-start")
    solo.screen.click(*wait_for(look, "the offer of a real model"))


def choose_offer(solo: Program) -> None:
    """Be a person who chose in the first run and left: a machine of any size then goes on with that."""
    settings = solo.home / "config" / "solo" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"first_choice": OFFER}), encoding="utf-8")


def download_button(solo: Program) -> tuple[int, int]:
    """Return where the first run's button for the download is; where exactly depends on the system's fonts."""

    def look() -> tuple[int, int] | None:
        picture = solo.screen.picture()
        x, top = ORIGIN[0] + BUTTON_X, ORIGIN[1] + 200  # below the greeting
        column = [picture.getpixel((x, y)) == ACCENT for y in range(top, 820)]
        for y in range(len(column) - 20):
            if all(column[y : y + 20]):
                return BUTTON_X, top + y + 10 - ORIGIN[1]
        return None

    place = wait_for(look, "the first run on the page")
    solo.see("the first run", place)
    return wait_for(look, "the first run on the page")


def colors(solo: Program) -> set[object]:
    """Return every colour on the screen."""
    return {color for _, color in solo.screen.picture().getcolors(1 << 24)}


@contextmanager
def hub(folder: Path, *faults: str) -> Iterator[str]:
    """Serve `folder` as the catalogue's first repository; yields the endpoint."""
    options = [option for fault in faults for option in ("--fault", fault)]
    command = [sys.executable, "-m", "tests.hub_server", f"{REPOSITORY}={folder}", *options]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


@pytest.fixture
def repository(split_model: Path, projector: Path, tmp_path: Path) -> Path:
    """A small model in two parts and its projector, under the names of the big one's."""
    folder = tmp_path / "repository"
    for number in (1, 2):
        part = split_model.with_name(split_model.name.replace("00001-of", f"{number:05}-of"))
        target = folder / MODEL.format(number)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(part.read_bytes())
    (folder / "mmproj-F16.gguf").write_bytes(projector.read_bytes())
    return folder


def test_download_pause_quit_go_on_and_chat(solo: Program, repository: Path) -> None:
    models = solo.home / "data" / "solo" / "models" / OFFER
    choose_offer(solo)
    with hub(repository, "drip,at=65536,seconds=0.5,times=-1") as endpoint:
        solo.start(env={"HF_ENDPOINT": endpoint})
        open_models(solo)
        button = download_button(solo)
        solo.screen.screenshot("light-first-run")
        solo.click(button)
        wait_for(lambda: list(models.glob("*.part*")), "the part file")
        before = solo.screen.picture()
        wait_for(lambda: solo.screen.picture() != before, "progress on the page")
        solo.screen.screenshot("light-downloading")
        solo.click(button)  # it says Pause now
        assert solo.quit() == 0
        assert len(list(models.glob("*.gguf"))) < 3, "it was not paused"
    with hub(repository) as endpoint:
        solo.start(env={"HF_ENDPOINT": endpoint})
        open_models(solo)
        solo.click(download_button(solo))
        wait_for(lambda: len(list(models.glob("*.gguf"))) == 3, "the finished download", 120)
        for path in models.glob("*.gguf"):
            (source,) = repository.rglob(path.name)
            assert path.read_bytes() == source.read_bytes()
        wait_for(lambda: solo.screen.window("Solo") and (solo.home / "config/solo/settings.json").exists(), "the load")
        solo.screen.keys("ctrl+l")
        solo.screen.type("Hello")
        solo.screen.keys("Return")
        wait_for(lambda: solo.rows("SELECT message_id FROM growth"), "an answer of the downloaded model", 120)
        solo.screen.keys("Escape")
        solo.screen.screenshot("light-after-first-run")
        assert solo.quit() == 0
    assert solo.engine_is_gone()


def test_no_network_is_a_sentence(solo: Program) -> None:
    choose_offer(solo)
    solo.start(env={"HF_ENDPOINT": "http://127.0.0.1:9"})
    open_models(solo)
    solo.click(download_button(solo))
    wait_for(lambda: ERROR in colors(solo), "a sentence in the colour of errors")
    solo.screen.screenshot("light-no-network")
    assert solo.quit() == 0
