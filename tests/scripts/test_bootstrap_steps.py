from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from scripts.bootstrap import steps
from scripts.bootstrap.places import SetupFailed
from scripts.bootstrap.steps import Progress, parse_share, run_step


@pytest.mark.parametrize(
    ("line", "share"),
    [
        ("[1/4] Building CXX object", 0.25),
        ("  [4/4] Linking", 1.0),
        ("[9/4] more than there is", 1.0),
        ("[1/0] nothing", None),
        ("-- [1/4] said by CMake", None),
        ("Collecting numpy", None),
    ],
)
def test_the_share_is_read_from_the_lines_of_ninja_only(line: str, share: float | None) -> None:
    assert parse_share(line) == share


def test_a_step_keeps_everything_in_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "logs" / "step.log"
    run_step("Counting", [sys.executable, "-c", "print('one'); print('two')"], log)
    assert log.read_text() == "one\ntwo\n"
    assert capsys.readouterr().out.splitlines() == ["Counting ...", "Counting: done (0:00)"]


def test_a_failed_step_shows_its_last_lines_and_names_its_log(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    code = "import sys\nfor n in range(100): print('line', n)\nsys.exit('it broke')"
    with pytest.raises(SetupFailed) as failure:
        run_step("Building", [sys.executable, "-c", code], log)
    said = str(failure.value)
    assert all(part in said for part in ("it broke", "line 99", str(log)))
    assert "line 50" not in said
    assert "line 50" in log.read_text()


def test_a_step_has_no_standard_input(tmp_path: Path) -> None:
    run_step("Asking", [sys.executable, "-c", "import sys; assert sys.stdin.read() == ''"], tmp_path / "log")


def test_a_terminal_gets_one_line_that_updates_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "TERMINAL_PERIOD_S", 0.0)
    terminal = Terminal()
    progress = Progress("Compiling", terminal)
    progress.update(0.25)
    progress.update()
    progress.finish("done")
    assert "\r\x1b[KCompiling ... 25% (0:00)" in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1


def test_a_log_gets_whole_lines_but_not_one_for_every_update(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    progress = Progress("Compiling", stream)
    for share in (0.1, 0.2, 0.3):
        progress.update(share)
    assert stream.getvalue() == "Compiling ...\n"
    monkeypatch.setattr(steps, "LOG_PERIOD_S", 0.0)
    progress.update(0.4)
    assert stream.getvalue() == "Compiling ...\nCompiling ... 40% (0:00)\n"


def test_an_interrupted_step_leaves_no_process_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Progress, share: float | None = None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "update", interrupt)
    pid_file = tmp_path / "pid"
    code = f"import os, pathlib, time\npathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    with pytest.raises(KeyboardInterrupt):
        run_step("Waiting", [sys.executable, "-c", code], tmp_path / "log")
    if pid_file.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid_file.read_text()), 0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True
