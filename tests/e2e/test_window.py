"""The real program in a real window, used with mouse and keyboard; the screenshots are kept."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from app.core.built_in import BUILT_IN_NAME
from tests.e2e.desktop import ROOT, Program, wait_for
from tests.e2e.drag_source import PLACE

pytestmark = [pytest.mark.e2e, pytest.mark.model, pytest.mark.timeout(600)]

FIRST_CHAT = (110, 143)
ERROR = (0xB3, 0x26, 0x1E)
PAGE = (730, 360)  # both counted from the window's corner
LAST_ANSWER = (
    "SELECT state, reasoning, settings_rendered FROM messages WHERE role = 'assistant' ORDER BY rowid DESC LIMIT 1"
)
LAST_TEXT = """SELECT coalesce(p.text, '') FROM messages m LEFT JOIN parts p ON p.message_id = m.id
               WHERE m.role = 'assistant' ORDER BY m.rowid DESC LIMIT 1"""


def answers(solo: Program, state: str) -> int:
    """Count the answers in a state."""
    return len(solo.rows(f"SELECT id FROM messages WHERE role = 'assistant' AND state = '{state}'"))


def say(solo: Program, text: str) -> None:
    """Type a message and send it."""
    solo.focus()
    solo.screen.keys("ctrl+l")
    solo.screen.type(text)
    solo.screen.keys("Return")


def say_and_wait(solo: Program, text: str) -> None:
    """Send a message and wait until it is answered."""
    before = answers(solo, "complete")
    say(solo, text)
    wait_for(lambda: answers(solo, "complete") > before, f"the answer to “{text}”", 120)


def drop_picture(solo: Program, picture: Path) -> None:
    """Drag a file from another program's window into the chat."""
    command = [sys.executable, str(ROOT / "tests" / "e2e" / "drag_source.py"), str(picture)]
    source = subprocess.Popen(command, env=solo.screen.environment())
    try:
        window = wait_for(lambda: solo.screen.window("Drag source"), "the other window")
        solo.screen.xdotool("windowactivate", "--sync", window)
        solo.screen.xdotool("windowraise", window)
        solo.screen.drag((PLACE[0] + 40, PLACE[1] + 40), (760, 420))
        # The other program hands its file over only now: it must live until that has happened.
        stored = solo.home / "data" / "solo" / "attachments"
        wait_for(lambda: [path for path in stored.rglob("*") if path.is_file()], "the picture's arrival")
    finally:
        source.kill()
        source.wait(10)


def test_a_first_day(solo: Program, thinking_model: Path, projector: Path, tmp_path: Path) -> None:
    solo.start("--model", str(thinking_model), "--projector", str(projector))
    say_and_wait(solo, "Hello, what can you do?")
    (text,) = solo.rows(LAST_TEXT)[0]
    assert "```python" in str(text)
    (state, reasoning, settings) = solo.rows(LAST_ANSWER)[0]
    assert (state, reasoning) == ("complete", "")
    assert settings == '[MODEL_SETTINGS]{"reasoning_effort": "none"}[/MODEL_SETTINGS]'

    solo.screen.keys("ctrl+t")
    say_and_wait(solo, "And now think about it")
    (_, reasoning, settings) = solo.rows(LAST_ANSWER)[0]
    assert "think about this" in str(reasoning)
    assert settings == '[MODEL_SETTINGS]{"reasoning_effort": "high"}[/MODEL_SETTINGS]'
    solo.screen.screenshot("light-conversation")

    picture = tmp_path / "red square.png"
    Image.new("RGB", (280, 196), "red").save(picture)
    drop_picture(solo, picture)
    solo.screen.screenshot("light-picture-attached")
    say_and_wait(solo, "What is this?")
    (sha256, name, tokens) = solo.rows("SELECT sha256, name, tokens FROM parts WHERE kind = 'picture'")[0]
    assert (name, tokens) == ("red square.png", 77)
    (stats,) = solo.rows("SELECT stats FROM messages WHERE role = 'assistant' ORDER BY rowid DESC LIMIT 1")[0]
    assert json.loads(str(stats))["image_tokens"] == 77
    assert solo.quit() == 0

    solo.start("--model", str(thinking_model))
    solo.see("the list", FIRST_CHAT)
    solo.click(FIRST_CHAT)
    wait_for(lambda: solo.screen.window("Hello, what can you do"), "the conversation's return")
    solo.see("the conversation", PAGE, (600, 500))
    solo.screen.screenshot("light-reopened")
    export(solo, tmp_path / "export" / "day.md", "ctrl+e")
    exported = (tmp_path / "export" / "day.md").read_text(encoding="utf-8")
    assert "And now think about it" in exported
    assert "```python" in exported
    pictures = [path for path in (tmp_path / "export").rglob("*") if path.suffix == ".png"]
    assert [path.read_bytes() for path in pictures] == [picture.read_bytes()]
    export(solo, tmp_path / "export" / "day.json", "ctrl+shift+e")
    document = json.loads((tmp_path / "export" / "day.json").read_text(encoding="utf-8"))
    assert str(sha256) in json.dumps(document)
    assert solo.quit() == 0


def export(solo: Program, target: Path, keys: str) -> None:
    """Export the open conversation through the file dialog."""
    target.parent.mkdir(exist_ok=True)
    solo.focus()
    solo.screen.keys(keys)
    dialog = wait_for(lambda: solo.screen.window("Export"), "the file dialog")
    solo.screen.xdotool("windowactivate", "--sync", dialog)
    solo.screen.keys("ctrl+a")
    solo.screen.type(str(target))
    solo.screen.keys("Return")
    wait_for(target.exists, f"the export to {target.name}")


def test_stopping_killing_and_going_on(solo: Program, small_model: Path) -> None:
    solo.start("--model", str(small_model))
    say(solo, "Talk without end")  # a random model never comes to one
    wait_for(lambda: solo.rows(GROWN), "the answer's first words on disk", 120)
    solo.screen.keys("Escape")
    wait_for(lambda: answers(solo, "stopped") == 1, "the stop", 20)

    for number, death in enumerate((signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT), 1):
        say(solo, f"And again {number}")  # the next message starts the engine anew
        wait_for(lambda: answers(solo, "growing") == 1 and solo.rows(GROWN), "the answer's beginning", 120)
        solo.kill_engine(death)
        wait_for(lambda count=number: answers(solo, "failed") == count, "the sentence about the engine", 20)
        solo.screen.screenshot(f"light-engine-{death.name.lower()}")
    for (error,) in solo.rows("SELECT error FROM messages WHERE state = 'failed'"):
        assert str(error).startswith("The engine stopped unexpectedly")

    say(solo, "Once more")
    wait_for(lambda: answers(solo, "growing") == 1 and solo.rows(GROWN), "the engine's return", 120)
    solo.kill()
    assert answers(solo, "growing") == 1
    solo.start("--model", str(small_model))
    wait_for(lambda: answers(solo, "interrupted") == 1, "the interrupted answer's return", 20)
    solo.see("the list", FIRST_CHAT)
    solo.click(FIRST_CHAT)
    wait_for(lambda: solo.screen.window("Talk without end"), "the conversation's return")
    solo.see("the conversation", PAGE, (600, 500))
    solo.screen.screenshot("light-interrupted")
    (text,) = solo.rows(LAST_TEXT)[0]
    assert text
    assert solo.quit() == 0


GROWN = "SELECT message_id FROM growth"


def test_dark(solo: Program, thinking_model: Path) -> None:
    settings = solo.home / "config" / "solo" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"theme": "dark", "effort": "high"}))
    solo.start("--model", str(thinking_model))
    say_and_wait(solo, "Show me some code")
    picture = solo.screen.screenshot("dark-conversation")
    assert sum(picture.getpixel((700, 600))) < 200, "the page is not dark"
    (_, _, rendered) = solo.rows(LAST_ANSWER)[0]
    assert '"high"' in str(rendered), "the remembered switch was not used"
    assert solo.quit() == 0


@pytest.mark.parametrize("damage", ["missing", "truncated", "not a model"])
def test_a_bad_model_file_gives_a_sentence(solo: Program, small_model: Path, tmp_path: Path, damage: str) -> None:
    bad = tmp_path / "bad.gguf"
    if damage == "truncated":
        bad.write_bytes(small_model.read_bytes()[:-1000])
    elif damage == "not a model":
        bad.write_bytes(b"GIF89a" * 100)
    solo.start("--model", str(bad))
    wait_for(lambda: ERROR in {color for _, color in solo.screen.picture().getcolors(1 << 24)}, "a sentence")
    say_and_wait(solo, "Anyone there?")
    solo.screen.screenshot(f"light-model-{damage.replace(' ', '-')}")
    assert solo.rows("SELECT model_name FROM messages WHERE role = 'assistant'") == [(BUILT_IN_NAME,)]
    assert solo.quit() == 0
