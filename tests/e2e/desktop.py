"""A virtual screen with a window manager, and the real program on it, driven by mouse and keyboard."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from PIL import Image, ImageGrab

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = Path(os.environ.get("SOLO_SCREENSHOTS", ROOT / "build" / "screenshots"))
ORIGIN = (30, 30)  # where the inside of Solo's window is put on the screen
T = TypeVar("T")


def wait_for(look: Callable[[], T | None], what: str, timeout_s: float = 60.0) -> T:
    """Return the first true value of `look`, or fail saying what did not happen."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {timeout_s:.0f} s")


@dataclass
class Screen:
    """One X display of 1280 x 900 with openbox."""

    display: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """Return what a program needs to appear here."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("QT_", "WAYLAND"))}
        return {**kept, "DISPLAY": self.display, "QT_QPA_PLATFORM": "xcb", "XDG_SESSION_TYPE": "x11"}

    def xdotool(self, *arguments: str) -> str:
        """Run xdotool and return what it printed."""
        done = subprocess.run(
            ["xdotool", *arguments], env=self.environment(), capture_output=True, text=True, timeout=30, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    def keys(self, *keys: str) -> None:
        """Press keys, one chord after another, in the window that has the focus."""
        for key in keys:
            self.xdotool("key", "--clearmodifiers", key)

    def type(self, text: str) -> None:
        """Type text as a person would."""
        self.xdotool("type", "--clearmodifiers", "--delay", "8", text)

    def click(self, x: int, y: int) -> None:
        """Click with the left button."""
        self.xdotool("mousemove", "--sync", str(x), str(y), "click", "1")

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Drag with the left button, in steps, as toolkits need it to notice a drag."""
        self.xdotool("mousemove", "--sync", *map(str, start))
        self.xdotool("mousedown", "1")
        steps = 12
        for step in range(1, steps + 1):
            x = start[0] + (end[0] - start[0]) * step // steps
            y = start[1] + (end[1] - start[1]) * step // steps
            self.xdotool("mousemove", "--sync", str(x), str(y))
            time.sleep(0.05)  # toolkits answer a drag between two moves; xdotool alone outruns them
        time.sleep(1)
        self.xdotool("mouseup", "1")

    def window(self, title: str) -> str:
        """Return the id of the visible window whose title matches, or an empty string."""
        return self.xdotool("search", "--onlyvisible", "--name", title).split("\n")[0]

    def picture(self) -> Image.Image:
        """Return what is on the screen."""
        return ImageGrab.grab(xdisplay=self.display)

    def screenshot(self, name: str) -> Image.Image:
        """Save and return a picture of the screen."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        picture = self.picture()
        picture.save(SCREENSHOTS / f"{name}.png")
        return picture


@contextmanager
def screen() -> Iterator[Screen]:
    """Start a display and a window manager, and end both."""
    for tool in ("Xvfb", "openbox", "xdotool"):
        assert shutil.which(tool), f"{tool} is missing; scripts/test.sh installs it"
    read_end, write_end = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1280x900x24", "-nolisten", "tcp"],
        pass_fds=[write_end],
        stderr=subprocess.DEVNULL,
    )
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        number = stream.readline().strip()
    here = Screen(f":{number}", [server])
    try:
        manager = subprocess.Popen(["openbox"], env=here.environment(), stderr=subprocess.DEVNULL)
        here.processes.append(manager)
        wait_for(lambda: here.xdotool("get_num_desktops"), "the window manager's start", 20)
        yield here
    finally:
        for process in reversed(here.processes):
            process.terminate()
            process.wait(10)


@dataclass
class Program:
    """Solo as a person starts it, with folders of its own."""

    screen: Screen
    home: Path
    process: subprocess.Popen[bytes] | None = None
    window_id: str = ""

    def start(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        """Start it and wait for its window."""
        environment = {
            **self.screen.environment(),
            "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_STATE_HOME": str(self.home / "state"),
            **(env or {}),
        }
        with (self.home / "stderr.txt").open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", *arguments], cwd=ROOT, env=environment, stderr=errors
            )
        self.window_id = wait_for(lambda: self.screen.window("Solo"), "the window")
        self.screen.xdotool("windowmove", "--sync", self.window_id, *map(str, ORIGIN))
        self.screen.xdotool("windowactivate", "--sync", self.window_id)

    def focus(self) -> None:
        """Bring the window to the front."""
        self.screen.xdotool("windowactivate", "--sync", self.window_id)

    def click(self, place: tuple[int, int]) -> None:
        """Click at a place counted from the window's corner."""
        self.screen.click(ORIGIN[0] + place[0], ORIGIN[1] + place[1])

    def quit(self) -> int:
        """Quit by the keyboard and return the exit code."""
        assert self.process is not None
        self.focus()
        self.screen.keys("ctrl+q")
        return self.process.wait(20)

    def kill(self) -> None:
        """Kill the whole program, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def close(self) -> None:
        """End whatever is left."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def see(self, what: str, place: tuple[int, int], size: tuple[int, int] = (120, 40)) -> None:
        """Wait until something stands around a place, counted from the window's corner, and nothing moves there."""
        x, y = ORIGIN[0] + place[0], ORIGIN[1] + place[1]
        box = (x - size[0] // 2, y - size[1] // 2, x + size[0] // 2, y + size[1] // 2)
        looks: list[bytes] = []

        def is_there() -> bool:
            area = self.screen.picture().crop(box)
            looks.append(area.tobytes())
            is_plain = len(area.getcolors(maxcolors=1 << 16) or []) < 8
            return not is_plain and len(looks) > 1 and looks[-1] == looks[-2]

        wait_for(is_there, f"{what} on the screen")

    def engine_is_gone(self) -> bool:
        """Tell whether no engine of this program's home is left running."""
        marker = f"XDG_DATA_HOME={self.home / 'data'}".encode()
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                if marker in environment.read_bytes():
                    return False
            except OSError:  # it ended while we looked, or is not ours
                continue
        return True

    def engine_pid(self) -> int | None:
        """Return the process id of the engine's child, if it runs."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task")
        pids = [pid for task in children.glob("*/children") for pid in task.read_text().split()]
        return int(pids[0]) if pids else None

    def kill_engine(self, number: signal.Signals) -> None:
        """Send a signal to the engine's child."""
        pid = wait_for(self.engine_pid, "the engine's start")
        os.kill(pid, number)

    @property
    def errors(self) -> str:
        """Return what the program wrote to stderr."""
        return (self.home / "stderr.txt").read_text(errors="replace")

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask the program's database, as a reader beside it."""
        path = self.home / "data" / "solo" / "conversations.sqlite3"
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
            return database.execute(query).fetchall()
