from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from scripts.bootstrap import system
from scripts.bootstrap.places import SetupFailed
from scripts.bootstrap.system import NEEDS, Need, ensure_system, find_missing

THERE = (
    Need("module", "json", "a"),
    Need("program", Path(sys.executable).name, "b"),
    Need("library", "libc.so.6", "c"),
    Need("file", __file__, "d"),
)
MISSING = (
    Need("module", "no_such_module", "python3-nothing"),
    Need("program", "no-such-program", "nothing"),
    Need("library", "libnothing.so.9", "libnothing9"),
    Need("file", "/nowhere/at-all", "nothing-data"),
)


def test_what_is_there_is_not_missing_and_what_is_not_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert find_missing((*THERE, *MISSING)) == MISSING


def test_without_root_the_one_line_to_type_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_program(tmp_path, monkeypatch, "apt-get", "exit 9")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupFailed) as failure:
        ensure_system(MISSING, tmp_path)
    line = str(failure.value).splitlines()[1].strip()
    assert line == ("sudo apt-get install --no-install-recommends libnothing9 nothing nothing-data python3-nothing")


def test_root_gets_the_packages_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = tmp_path / "brought"
    script = f'for word; do last=$word; done; [ "$last" = update ] || echo "$last" > {wanted}'
    put_program(tmp_path, monkeypatch, "apt-get", script)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    ensure_system([Need("file", str(wanted), "brought-package")], tmp_path)
    assert wanted.read_text() == "brought-package\n"


def test_a_package_that_does_not_bring_what_it_should_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_program(tmp_path, monkeypatch, "apt-get", "exit 0")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(SetupFailed, match=r"no-such-program \(from nothing\)"):
        ensure_system(MISSING[1:2], tmp_path)


def test_a_failing_installer_is_reported_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_program(tmp_path, monkeypatch, "apt-get", "echo no network here; exit 100")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(SetupFailed, match="no network here"):
        ensure_system(MISSING, tmp_path)


def test_a_system_without_apt_is_told_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupFailed, match=r"no_such_module, no-such-program, libnothing\.so\.9"):
        ensure_system(MISSING, tmp_path)


def test_every_need_is_of_a_known_kind() -> None:
    kinds = {need.kind for needs in NEEDS.values() for need in needs}
    assert kinds == {"module", "program", "library", "file"}
    assert set(NEEDS["runtime"]) < set(NEEDS["dev"]) < set(NEEDS["package"])


def test_no_list_of_libraries_means_they_are_taken_for_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "LDCONFIG", "/nowhere/ldconfig")
    assert find_missing(MISSING[2:3]) == ()


def put_program(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    programs = folder / "programs"
    programs.mkdir()
    program = programs / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
