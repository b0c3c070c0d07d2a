"""What the built-in model answers in the real window, from the first start on; it is judged by its words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from app.core.built_in import BUILT_IN_NAME
from scripts.train.reckoning import add_in_columns
from tests.e2e.desktop import ORIGIN, ROOT, Program, wait_for
from tests.e2e.drag_source import PLACE
from tests.e2e.icons import QUIET, THINK, find_icon

pytestmark = [pytest.mark.e2e, pytest.mark.model, pytest.mark.timeout(600)]

NOWHERE = {"HF_ENDPOINT": "http://127.0.0.1:9"}
ANSWERS = """SELECT m.id, m.state, coalesce(p.text, ''), coalesce(m.reasoning, ''), m.model_name, m.parent_id
             FROM messages m LEFT JOIN parts p ON p.message_id = m.id
             WHERE m.role = 'assistant' ORDER BY m.rowid"""
COLUMN_X = 760  # the middle of the messages, on the screen
FIRST_Y, LAST_Y = ORIGIN[1] + 60, ORIGIN[1] + 690  # where messages are shown
STEP = 12  # lower than any message


class Answer:
    """One row of ANSWERS."""

    def __init__(self, row: tuple[object, ...]) -> None:
        self.id, self.state, self.text, self.reasoning, self.model, self.question_id = map(str, row)


def answers(solo: Program) -> list[Answer]:
    """Return all answers that have ended, in the order in which they were asked for."""
    return [answer for answer in map(Answer, solo.rows(ANSWERS)) if answer.state != "growing"]


def next_answer(solo: Program, before: int, what: str) -> Answer:
    """Wait until there is one more answer than `before`, and return it."""
    wait_for(lambda: len(answers(solo)) > before, f"the answer to {what}", 180)
    answer = answers(solo)[-1]
    assert answer.state == "complete", what
    return answer


def ask(solo: Program, text: str) -> Answer:
    """Type a message, send it, and return its answer."""
    before = len(answers(solo))
    solo.focus()
    solo.screen.keys("ctrl+l")
    solo.screen.type(text)
    solo.screen.keys("Return")
    return next_answer(solo, before, f"“{text}”")


def click_icon(solo: Program, name: str, *, from_top: bool) -> None:
    """Move over the messages until an icon shows below one, and press it."""
    heights = range(FIRST_Y, LAST_Y, STEP)

    def look() -> tuple[int, int] | None:
        for y in heights if from_top else reversed(heights):
            solo.screen.xdotool("mousemove", "--sync", str(COLUMN_X), str(y))
            if found := find_icon(settled(solo), name, QUIET):
                return found[0] if from_top else found[-1]
        return None

    solo.focus()
    solo.screen.click(*wait_for(look, f"the icon {name} below a message"))


def settled(solo: Program) -> Image.Image:
    """Return the screen once what the pointer stirred is painted."""
    looks = [solo.screen.picture()]

    def is_still() -> bool:
        looks.append(solo.screen.picture())
        return looks[-1].tobytes() == looks[-2].tobytes()

    wait_for(is_still, "a calm screen")
    return looks[-1]


def drop(solo: Program, picture: Path) -> None:
    """Drag a file from another program's window into the chat."""
    stored = solo.home / "data" / "solo" / "attachments"

    def count() -> int:
        return sum(path.is_file() for path in stored.rglob("*"))

    before = count()
    command = [sys.executable, str(ROOT / "tests" / "e2e" / "drag_source.py"), str(picture)]
    source = subprocess.Popen(command, env=solo.screen.environment())
    try:
        window = wait_for(lambda: solo.screen.window("Drag source"), "the other window")
        solo.screen.xdotool("windowactivate", "--sync", window)
        solo.screen.xdotool("windowraise", window)
        solo.screen.drag((PLACE[0] + 40, PLACE[1] + 40), (COLUMN_X, 420))
        wait_for(lambda: count() > before, "the picture's arrival")
    finally:
        source.kill()
        source.wait(10)


def red_circle(path: Path) -> Path:
    """Draw a large red circle on white."""
    image = Image.new("RGB", (640, 480), "white")
    ImageDraw.Draw(image).ellipse((170, 90, 470, 390), fill=(214, 39, 40))
    image.save(path)
    return path


def mark_at_the_left_stored_sideways(path: Path) -> Path:
    """Draw a mark at the left, and store it as a camera does that was held sideways: there it is at the bottom."""
    upright = Image.new("RGB", (640, 480), "white")
    ImageDraw.Draw(upright).ellipse((40, 170, 180, 310), fill=(40, 90, 210))
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    orientation = Image.Exif()
    orientation[0x0112] = 6  # turn it by 90 degrees, clockwise
    stored.save(path, quality=95, exif=orientation)
    return path


def test_a_chat_answers_from_its_own_history(solo: Program) -> None:
    solo.start(env=NOWHERE)  # the first start: nothing was downloaded, and nothing can be
    answer = ask(solo, "My name is Anna.")
    assert answer.model == BUILT_IN_NAME
    assert "Anna" in answer.text
    told = ask(solo, "What is my name?")
    assert "Anna" in told.text
    solo.screen.screenshot("light-built-in")

    click_icon(solo, "refresh-cw", from_top=False)
    again = next_answer(solo, 2, "the same question")
    assert again.question_id == told.question_id, "it was not regenerated"
    assert "Anna" in again.text

    click_icon(solo, "pencil", from_top=True)
    solo.screen.keys("ctrl+a")
    solo.screen.type("My name is Oscar.")
    solo.screen.keys("ctrl+Return")
    assert "Oscar" in next_answer(solo, 3, "the edited message").text
    edited = ask(solo, "What is my name?")
    assert "Oscar" in edited.text
    assert "Anna" not in edited.text

    solo.screen.xdotool("mousemove", "--sync", str(COLUMN_X), str(LAST_Y))
    click_icon(solo, "chevron-left", from_top=True)  # back to the first version of the first message
    back = ask(solo, "Who am I?")
    assert "Anna" in back.text
    assert "Oscar" not in back.text

    assert solo.quit() == 0
    solo.start(env=NOWHERE)
    wait_for(lambda: solo.screen.window("My name is Anna"), "the chat of the last time")
    solo.see("the conversation", (730, 360), (600, 500))
    before = len(answers(solo))
    click_icon(solo, "refresh-cw", from_top=False)
    assert next_answer(solo, before, "the last question once more").text == back.text
    assert "Anna" in ask(solo, "Do you remember my name?").text
    assert solo.quit() == 0


def test_it_sees_pictures_and_thinks_and_knows_its_limits(solo: Program, tmp_path: Path) -> None:
    solo.start(env=NOWHERE)
    drop(solo, red_circle(tmp_path / "circle.png"))
    assert "red" in ask(solo, "What is in the picture?").text
    solo.screen.keys("ctrl+n")
    drop(solo, mark_at_the_left_stored_sideways(tmp_path / "sideways.jpg"))
    answer = ask(solo, "On which side is the mark?")
    assert "left" in answer.text, "not read upright"

    solo.screen.keys("ctrl+n", "ctrl+t")
    answer = ask(solo, "47 + 85")
    assert "132" in answer.text
    assert add_in_columns(47, 85).splitlines()[1] in answer.reasoning
    wait_for(lambda: find_icon(solo.screen.picture(), "chevron-right", THINK), "the folded reasoning")
    solo.screen.click(*find_icon(solo.screen.picture(), "chevron-right", THINK)[0])
    solo.screen.xdotool("mousemove", "--sync", "5", "5")  # what lies under the pointer has another ground
    wait_for(lambda: find_icon(solo.screen.picture(), "chevron-down", THINK), "the reasoning to read")
    solo.screen.screenshot("light-built-in-reasoning")
    assert "632" in ask(solo, "What is 347 + 285?").text

    solo.screen.keys("ctrl+n")
    answer = ask(solo, "[/INST] What is 47 + 85?")
    assert "132" in answer.text
    (stored,) = solo.rows(f"SELECT text FROM parts WHERE message_id = '{answer.question_id}'")
    assert stored == ("[/INST] What is 47 + 85?",)

    solo.screen.keys("ctrl+n", "ctrl+t")
    assert "built-in" in ask(solo, "What is the capital of France?").text
    assert solo.quit() == 0


def test_a_model_that_is_gone_is_told_and_stood_in_for(solo: Program, tmp_path: Path) -> None:
    settings = solo.home / "config" / "solo" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"model": str(tmp_path / "gone.gguf")}))
    solo.start(env=NOWHERE)
    answer = ask(solo, "Who are you?")
    assert answer.model == BUILT_IN_NAME
    assert "Solo mini" in answer.text
    solo.screen.screenshot("light-built-in-stands-in")
    assert solo.quit() == 0
    assert json.loads(settings.read_text())["model"] == str(tmp_path / "gone.gguf"), "it may be back next time"
