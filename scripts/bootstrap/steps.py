"""Run one long command: progress on the terminal, everything it prints in a log file."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from scripts.bootstrap.places import SetupFailed

NINJA_PROGRESS = re.compile(r"^\s*\[(\d+)/(\d+)\]")
TAIL_LINES = 25
LINE_CHARACTERS = 240
TERMINAL_PERIOD_S = 0.2
LOG_PERIOD_S = 5.0


def parse_share(line: str) -> float | None:
    """Return how much of the build is done, from 0 to 1, when `line` is ninja's `[n/m]`."""
    found = NINJA_PROGRESS.match(line)
    if found is None or int(found[2]) == 0:
        return None
    return min(1.0, int(found[1]) / int(found[2]))


class Progress:
    """Show one step: a line that updates itself on a terminal, a line every few seconds elsewhere."""

    def __init__(self, title: str, stream: IO[str]) -> None:
        self._title = title
        self._stream = stream
        self._live = stream.isatty()
        self._started_s = time.monotonic()
        self._shown_s = self._started_s
        self._share: float | None = None
        self._write(f"{title} ...")

    def update(self, share: float | None = None) -> None:
        """Note progress and show it when the last showing is old enough."""
        if share is not None:
            self._share = share
        now_s = time.monotonic()
        if now_s - self._shown_s >= (TERMINAL_PERIOD_S if self._live else LOG_PERIOD_S):
            self._shown_s = now_s
            percent = "" if self._share is None else f" {self._share:.0%}"
            self._write(f"{self._title} ...{percent} ({self._elapsed()})")

    def finish(self, outcome: str) -> None:
        """Show how the step ended."""
        self._write(f"{self._title}: {outcome} ({self._elapsed()})")
        if self._live:
            print(file=self._stream)

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._started_s), 60)
        return f"{minutes}:{seconds:02d}"

    def _write(self, text: str) -> None:
        if self._live:
            print(f"\r\x1b[K{text}", end="", flush=True, file=self._stream)
        else:
            print(text, flush=True, file=self._stream)


def run_step(title: str, command: Sequence[str | Path], log: Path, env: dict[str, str] | None = None) -> None:
    """Run `command`, raising SetupFailed with the last lines and the log's path when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress(title, sys.stdout)
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with log.open("w", encoding="utf-8", errors="replace") as record:
        code = _follow(command, env, progress, record, tail)
    progress.finish("done" if code == 0 else "failed")
    if code != 0:
        lines = "\n".join(f"  {line[:LINE_CHARACTERS]}" for line in tail)
        raise SetupFailed(f"{lines}\n{title} failed. The last lines are above; everything is in {log}.")


def _follow(
    command: Sequence[str | Path],
    env: dict[str, str] | None,
    progress: Progress,
    record: IO[str],
    tail: deque[str],
) -> int:
    """Copy the command's output to `record` and `tail` and return its exit code."""
    child = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        # Without this a Python child's last words on stderr come before the lines that led to them.
        env=(os.environ if env is None else env) | {"PYTHONUNBUFFERED": "1"},
    )
    assert child.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read_lines, args=(child.stdout, lines), daemon=True).start()
    try:
        while (line := _next_line(lines)) is not None:
            progress.update(parse_share(line))
            if line:
                record.write(line)
                tail.append(line.rstrip())
        return child.wait()
    except BaseException:
        child.terminate()
        child.wait()
        raise


def _read_lines(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    """Pass every line on, then None at the end."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _next_line(lines: queue.Queue[str | None]) -> str | None:
    """Return the next line, an empty string when none came for a while, None at the end."""
    try:
        return lines.get(timeout=TERMINAL_PERIOD_S)
    except queue.Empty:
        return ""
