from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.bootstrap import environment
from scripts.bootstrap.backend import Build, Machine, plan_portable
from scripts.bootstrap.engine import engine_key, provide_wheel
from scripts.bootstrap.environment import (
    Stamp,
    fingerprint,
    is_current,
    prepare,
    read_stamp,
    write_stamp,
)
from scripts.bootstrap.places import Places, SetupFailed, find_places

BUILD = Build("cpu", ("-DA=ON",), ("a processor",))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A checkout with locks and an environment, and a cache of its own."""
    made = Places(tmp_path / "checkout", tmp_path / "cache")
    (made.root / "requirements").mkdir(parents=True)
    for name in ("runtime", "dev", "engine"):
        made.lock(name).write_text(f"{name}==1\n")
    (made.root / "pyproject.toml").write_text("[project]\n")
    made.scripts.mkdir(parents=True)
    made.python.symlink_to(sys.executable)
    return made


def stamp_for(places: Places, build: Build = BUILD) -> Stamp:
    sets = (("runtime", fingerprint(places, "runtime", build)),)
    key = engine_key(places.lock("engine").read_bytes(), build)
    return Stamp(environment._interpreter(), sets, key)


def current(places: Places, stamp: Stamp, build: Build = BUILD) -> bool:
    return is_current(stamp, "runtime", fingerprint(places, "runtime", build), places, build)


def test_a_stamp_survives_the_disk(tmp_path: Path) -> None:
    stamp = Stamp("/usr 3.11", (("runtime", "a"), ("dev", "b")), "cpu-1")
    write_stamp(tmp_path / "stamp", stamp)
    assert read_stamp(tmp_path / "stamp") == stamp


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"python": 1, "sets": 3, "engine": ""}', "\x00\xff"])
def test_an_unreadable_stamp_is_an_empty_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "stamp").write_text(content)
    assert read_stamp(tmp_path / "stamp") == Stamp()


def test_an_untouched_environment_is_current(places: Places) -> None:
    assert current(places, stamp_for(places))


@pytest.mark.parametrize("name", ["requirements/runtime.txt", "requirements/engine.txt", "pyproject.toml"])
def test_a_changed_input_makes_the_environment_stale(places: Places, name: str) -> None:
    stamp = stamp_for(places)
    (places.root / name).write_text("changed\n")
    assert not current(places, stamp)


def test_a_changed_build_interpreter_or_place_makes_the_environment_stale(places: Places) -> None:
    stamp = stamp_for(places)
    assert not current(places, stamp, replace(BUILD, options=("-DB=ON",)))
    assert not current(places, stamp, replace(BUILD, tied_to=("another processor",)))
    assert not current(places, replace(stamp, python="/usr 3.10"))
    moved = Places(places.root.rename(places.root.with_name("elsewhere")), places.cache)
    assert not current(moved, stamp)


def test_a_missing_environment_is_stale(places: Places) -> None:
    stamp = stamp_for(places)
    places.python.unlink()
    assert not current(places, stamp)


def test_the_runtime_set_is_not_the_development_set(places: Places) -> None:
    assert not is_current(stamp_for(places), "dev", fingerprint(places, "dev", BUILD), places, BUILD)


def test_a_current_environment_is_left_alone(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "plan_local", lambda machine, wanted: BUILD)
    monkeypatch.setattr(environment, "ensure_system", lambda needs, logs: pytest.fail("looked at the system"))
    monkeypatch.setattr(environment, "run_step", lambda *step: pytest.fail("ran something"))
    write_stamp(places.stamp, stamp_for(places))
    prepare(places, "runtime")


def test_a_stop_half_way_does_not_leave_the_old_stamp(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(title: str, command: Sequence[str | Path], *rest: object) -> None:
        raise SetupFailed("stopped")

    monkeypatch.setattr(environment, "plan_local", lambda machine, wanted: BUILD)
    monkeypatch.setattr(environment, "ensure_system", lambda needs, logs: None)
    monkeypatch.setattr(environment, "run_step", fail)
    write_stamp(places.stamp, stamp_for(places))
    places.lock("runtime").write_text("changed\n")
    with pytest.raises(SetupFailed):
        prepare(places, "runtime")
    assert not current(places, read_stamp(places.stamp))


def test_a_cached_engine_is_taken_and_a_damaged_one_is_not(
    places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shelf = places.wheels / engine_key(places.lock("engine").read_bytes(), BUILD)
    shelf.mkdir(parents=True)
    wheel = shelf / "llama_cpp_python-1-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    wheel.with_suffix(".sha256").write_text(hashlib.sha256(b"a wheel").hexdigest())
    assert provide_wheel(places, BUILD) == wheel
    wheel.write_bytes(b"a whe")
    # With this, building anew fails; taking the damaged one would not.
    monkeypatch.setenv("PYTHONPATH", str(broken_pip(tmp_path)))
    with pytest.raises(SetupFailed, match="pip was called"):
        provide_wheel(places, BUILD)


def test_builds_for_different_machines_never_share_a_wheel() -> None:
    keys = {
        engine_key(b"x==1", BUILD),
        engine_key(b"x==2", BUILD),
        engine_key(b"x==1", replace(BUILD, tied_to=("another processor",))),
        engine_key(b"x==1", replace(BUILD, options=())),
        engine_key(b"x==1", plan_portable(Machine())),
    }
    assert len(keys) == 5


def test_the_check_before_a_start_is_quick() -> None:
    """What every start pays: a Python without site packages that finds the stamp missing or right."""
    root = find_places().root
    code = (
        "from scripts.bootstrap.backend import look_at_machine, plan_local\n"
        "from scripts.bootstrap.environment import fingerprint\n"
        "from scripts.bootstrap.places import find_places\n"
        "fingerprint(find_places(), 'runtime', plan_local(look_at_machine(), 'cpu'))"
    )
    before = os.times()
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
    after = os.times()
    # Processor time, because a busy machine stretches the clock's.
    taken_s = after.children_user - before.children_user + after.children_system - before.children_system
    assert 0 < taken_s < 0.2


def broken_pip(folder: Path) -> Path:
    """A folder whose `pip` always fails."""
    (folder / "broken").mkdir()
    (folder / "broken" / "pip.py").write_text("raise SystemExit('pip was called')")
    return folder / "broken"
