from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core.logs import start_logging


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)


def test_the_log_goes_to_a_file_and_warnings_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], expected_warnings: Callable[[str], None]
) -> None:
    expected_warnings("low memory")
    path = start_logging(tmp_path / "Prötokolle")
    logging.getLogger("app.test").info("started – 数据")
    logging.getLogger("app.test").warning("low memory")
    logging.getLogger("app.test").debug("too much")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert path == tmp_path / "Prötokolle" / "solo.log"
    assert len(lines) == 2
    assert "INFO app.test [MainThread] started – 数据" in lines[0]
    assert capsys.readouterr().err == "WARNING app.test: low memory\n"


def test_tracebacks_are_kept(tmp_path: Path) -> None:
    path = start_logging(tmp_path)
    try:
        raise ValueError("the cause")
    except ValueError:
        logging.getLogger("app.test").info("it failed", exc_info=True)
    assert "ValueError: the cause" in path.read_text(encoding="utf-8")


def test_a_path_that_is_not_unicode_does_not_cost_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = start_logging(tmp_path)
    logging.getLogger("app.test").info("opening %s", os.fsdecode(b"/models/\xff.gguf"))
    assert r"opening /models/\udcff.gguf" in path.read_text(encoding="utf-8")
    assert capsys.readouterr().err == ""


def test_the_log_stays_small(tmp_path: Path) -> None:
    path = start_logging(tmp_path, "other.log")
    for _ in range(60):
        logging.getLogger("app.test").info("x" * 100_000)
    files = sorted(each.name for each in tmp_path.iterdir())
    assert files == ["other.log", "other.log.1", "other.log.2", "other.log.3"]
    assert all(each.stat().st_size <= 1 << 20 for each in tmp_path.iterdir())
    assert path.exists()


def test_without_a_terminal_the_file_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected_warnings: Callable[[str], None]
) -> None:
    expected_warnings("seen")
    monkeypatch.setattr("sys.stderr", None)
    path = start_logging(tmp_path)
    logging.getLogger("app.test").warning("seen")
    assert "seen" in path.read_text(encoding="utf-8")


def test_a_folder_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="file"):
        start_logging(tmp_path / "file" / "logs")
