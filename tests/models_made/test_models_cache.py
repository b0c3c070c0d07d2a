from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.models_made.cache import ROOT, made, recipe_hash


def test_two_processes_at_once_get_the_same_files(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.models_made.cache import made;"
        "print(made(Path(sys.argv[1]), 'projector')[0])"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert found[0] == found[1]
    assert Path(found[0]).is_file()
    assert [folder.name for folder in (tmp_path / recipe_hash()).iterdir()] == ["projector"]


def test_what_is_there_is_not_made_again_and_what_is_old_goes(tmp_path: Path) -> None:
    old, kept = tmp_path / "old", tmp_path / recipe_hash() / "projector"
    old.mkdir()
    month_ago = time.time() - 30 * 24 * 3600
    os.utime(old, (month_ago, month_ago))
    kept.mkdir(parents=True)
    (kept / "a.gguf").touch()
    assert made(tmp_path, "projector") == [kept / "a.gguf"]
    assert not old.exists()


def test_a_recipe_that_fails_leaves_no_result(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        made(tmp_path, "projector", "--seed=none")
    assert not (tmp_path / recipe_hash() / "projector_seed=none").exists()


def test_warnings_in_the_log_must_be_expected(expected_warnings: Any) -> None:
    rule = type(expected_warnings)
    rule().check([])
    with pytest.raises(AssertionError, match=r"unexpected.*disk is slow"):
        rule().check(["app.x: disk is slow"])
    expecting = rule()
    expecting("slow")
    expecting.check(["app.x: disk is slow"])
    with pytest.raises(AssertionError, match="no warning in the log matches"):
        expecting.check([])


def test_a_test_has_a_home_of_its_own() -> None:
    homes = [Path(os.environ[name]) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")]
    assert all("solo-home-" in str(home) and home.is_dir() for home in homes)
    assert not [name for name in os.environ if name.startswith("HF_")]
