"""Make the virtual environment match the locks, and know at once when it already does."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.bootstrap.backend import Build, look_at_machine, plan_local
from scripts.bootstrap.engine import engine_key, provide_wheel
from scripts.bootstrap.places import ON_WINDOWS, Places
from scripts.bootstrap.steps import run_step
from scripts.bootstrap.system import NEEDS, ensure_system

if sys.platform != "win32":
    import fcntl

# Each set holds the ones after it, so installing it makes those current too.
LOCKS = {"package": "dev", "dev": "dev", "runtime": "runtime"}


@dataclass(frozen=True, slots=True)
class Stamp:
    """Say from what the environment was made: the interpreter, each set's inputs, the engine."""

    python: str = ""
    sets: tuple[tuple[str, str], ...] = ()
    engine: str = ""


def prepare(places: Places, name: str) -> None:
    """Bring the environment up to the set called `name` unless it is already there.

    Raises SetupFailed with what to do when something is missing or fails.
    """
    build = plan_local(look_at_machine(), os.environ.get("SOLO_BACKEND", ""))
    wanted = fingerprint(places, name, build)
    if is_current(read_stamp(places.stamp), name, wanted, places, build):
        return
    ensure_system(NEEDS[name], places.logs)
    with _one_at_a_time(places):
        _install(places, name, wanted, build)


def fingerprint(places: Places, name: str, build: Build) -> str:
    """Return a hash of everything the set `name` is made from."""
    digest = hashlib.sha256(f"{places.root} {name} {' '.join(build.options)}".encode())
    own = sorted(Path(__file__).parent.glob("*.py"))
    for path in (places.lock(LOCKS[name]), places.lock("engine"), places.root / "pyproject.toml", *own):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current(stamp: Stamp, name: str, wanted: str, places: Places, build: Build) -> bool:
    """Return whether the environment was made by this interpreter from exactly these inputs."""
    return (
        stamp.python == _interpreter()
        and dict(stamp.sets).get(name) == wanted
        and stamp.engine == engine_key(places.lock("engine").read_bytes(), build)
        and places.python.exists()
    )


def read_stamp(path: Path) -> Stamp:
    """Return the stamp at `path`, an empty one when there is none or it is unreadable."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        sets = tuple((str(name), str(value)) for name, value in found["sets"].items())
        return Stamp(str(found["python"]), sets, str(found["engine"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Stamp()


def write_stamp(path: Path, stamp: Stamp) -> None:
    """Write the stamp whole or not at all."""
    content = {"python": stamp.python, "sets": dict(stamp.sets), "engine": stamp.engine}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
    fresh.replace(path)


def _install(places: Places, name: str, wanted: str, build: Build) -> None:
    installed = read_stamp(places.stamp).engine
    if not _is_usable(places):
        installed = ""
        _make_venv(places)
    # The old stamp is untrue from here on; a stop half-way must not leave it standing.
    write_stamp(places.stamp, Stamp())
    lock = places.lock(LOCKS[name])
    title = f"Installing the libraries ({lock.stem})"
    _pip(places, title, "libraries", "--require-hashes", "--only-binary", ":all:", "-r", str(lock))
    wheel = provide_wheel(places, build)
    key = engine_key(places.lock("engine").read_bytes(), build)
    if installed != key:
        _pip(
            places,
            "Installing llama.cpp",
            "llama",
            "--no-deps",
            "--no-index",
            "--force-reinstall",
            str(wheel),
        )
    _pip(places, "Installing Solo", "solo", "--no-deps", "--no-build-isolation", "-e", str(places.root))
    sets = {name: wanted, "runtime": fingerprint(places, "runtime", build)}
    if name == "package":
        sets["dev"] = fingerprint(places, "dev", build)
    write_stamp(places.stamp, Stamp(_interpreter(), tuple(sets.items()), key))


def _is_usable(places: Places) -> bool:
    """Return whether the environment is whole and belongs to the running Python."""
    if not places.python.exists():
        return False
    code = "import pip, sys; print(sys.base_prefix, '%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([places.python, "-c", code], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == _interpreter()


def _make_venv(places: Places) -> None:
    if places.venv.exists():
        shutil.rmtree(places.venv)
    command: list[str | Path] = [_base_python(), "-m", "venv", places.venv]
    run_step("Making the Python environment", command, places.logs / "venv.log")


def _pip(places: Places, title: str, log: str, *arguments: str) -> None:
    env = os.environ | {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_USER": "0",
    }
    command: list[str | Path] = [places.python, "-m", "pip", "install", "--progress-bar", "off", *arguments]
    run_step(title, command, places.logs / f"{log}.log", env)


def _interpreter() -> str:
    """Return what ties an environment to its Python: where that is and its minor version."""
    return f"{sys.base_prefix} {sys.version_info.major}.{sys.version_info.minor}"


def _base_python() -> str:
    """Return the Python the running one comes from, which may itself be in the environment."""
    return os.path.realpath(sys.executable) if not ON_WINDOWS else sys.executable


@contextlib.contextmanager
def _one_at_a_time(places: Places) -> Iterator[None]:
    """Keep a second start from installing into the same environment at the same time."""
    if sys.platform == "win32":
        yield
        return
    places.cache.mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256(str(places.root).encode()).hexdigest()[:16]
    with (places.cache / f"setup-{mark}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
