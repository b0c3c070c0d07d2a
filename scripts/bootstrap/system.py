"""What must come from the operating system, how to see that it is there, and how to get it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.bootstrap.places import ON_WINDOWS, SetupFailed
from scripts.bootstrap.steps import run_step

LDCONFIG = "/sbin/ldconfig"
VSWHERE = Path("Microsoft Visual Studio") / "Installer" / "vswhere.exe"


@dataclass(frozen=True, slots=True)
class Need:
    """Name one thing the system must have, and the Debian and Ubuntu package that brings it."""

    kind: str
    name: str
    package: str


# Checked by what they bring, not by package name: names differ between releases (libglib2.0-0t64).
RUNTIME = (
    Need("module", "ensurepip", "python3-venv"),
    Need("program", "c++", "g++"),
    Need("library", "libEGL.so.1", "libegl1"),
    Need("library", "libGL.so.1", "libgl1"),
    Need("library", "libdbus-1.so.3", "libdbus-1-3"),
    Need("library", "libfontconfig.so.1", "libfontconfig1"),
    Need("library", "libfreetype.so.6", "libfreetype6"),
    Need("library", "libglib-2.0.so.0", "libglib2.0-0"),
    Need("library", "libgssapi_krb5.so.2", "libgssapi-krb5-2"),  # QtNetwork needs it
    Need("library", "libX11-xcb.so.1", "libx11-xcb1"),
    Need("library", "libxcb-cursor.so.0", "libxcb-cursor0"),
    Need("library", "libxcb-icccm.so.4", "libxcb-icccm4"),
    Need("library", "libxcb-image.so.0", "libxcb-image0"),
    Need("library", "libxcb-keysyms.so.1", "libxcb-keysyms1"),
    Need("library", "libxcb-randr.so.0", "libxcb-randr0"),
    Need("library", "libxcb-render-util.so.0", "libxcb-render-util0"),
    Need("library", "libxcb-shape.so.0", "libxcb-shape0"),
    Need("library", "libxcb-shm.so.0", "libxcb-shm0"),
    Need("library", "libxcb-sync.so.1", "libxcb-sync1"),
    Need("library", "libxcb-util.so.1", "libxcb-util1"),
    Need("library", "libxcb-xfixes.so.0", "libxcb-xfixes0"),
    Need("library", "libxcb-xkb.so.1", "libxcb-xkb1"),
    Need("library", "libxkbcommon.so.0", "libxkbcommon0"),
    Need("library", "libxkbcommon-x11.so.0", "libxkbcommon-x11-0"),
    Need("file", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "fonts-dejavu-core"),
)
DEVELOPMENT = (
    *RUNTIME,
    Need("program", "git", "git"),
    Need("program", "Xvfb", "xvfb"),
    Need("program", "openbox", "openbox"),
    Need("program", "xdotool", "xdotool"),
    Need("program", "dbus-run-session", "dbus"),
    Need("program", "desktop-file-validate", "desktop-file-utils"),
)
PACKAGING = (*DEVELOPMENT, Need("program", "objdump", "binutils"), Need("program", "dpkg-deb", "dpkg"))
NEEDS = {"runtime": RUNTIME, "dev": DEVELOPMENT, "package": PACKAGING}


def find_missing(needs: Iterable[Need]) -> tuple[Need, ...]:
    """Return what this machine lacks, in the order given."""
    libraries = _known_libraries()
    return tuple(need for need in needs if not _is_there(need, libraries))


def ensure_system(needs: Sequence[Need], logs: Path) -> None:
    """Install what is missing when that is possible here.

    Raises SetupFailed with the one command to type, or with the names of what is missing.
    """
    if ON_WINDOWS:
        _check_windows()
        return
    missing = find_missing(needs)
    if not missing:
        return
    if shutil.which("apt-get") is None:
        names = ", ".join(need.name for need in missing)
        raise SetupFailed(f"Solo needs these from your system, please install them and start again: {names}")
    packages = sorted({need.package for need in missing})
    if os.geteuid() != 0:
        line = f"sudo apt-get install --no-install-recommends {' '.join(packages)}"
        raise SetupFailed(f"Solo needs some system packages. Install them with this, then start again:\n  {line}")
    _install(packages, logs)
    importlib.invalidate_caches()
    if still := find_missing(needs):
        names = ", ".join(f"{need.name} (from {need.package})" for need in still)
        raise SetupFailed(f"These are still missing after installing: {names}")


def _install(packages: Sequence[str], logs: Path) -> None:
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # Another installer may be at work; waiting for it beats failing.
    apt = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0")
    run_step("Reading the package lists", (*apt, "update"), logs / "apt-update.log", env)
    command = (*apt, "install", "-y", "--no-install-recommends", *packages)
    run_step(f"Installing {len(packages)} system packages", command, logs / "apt-install.log", env)


def _is_there(need: Need, libraries: frozenset[str] | None) -> bool:
    probes: dict[str, Callable[[], bool]] = {
        "module": lambda: importlib.util.find_spec(need.name) is not None,
        "program": lambda: shutil.which(need.name) is not None,
        "library": lambda: libraries is None or need.name in libraries,
        "file": lambda: Path(need.name).is_file(),
    }
    return probes[need.kind]()


def _known_libraries() -> frozenset[str] | None:
    """Return the names the dynamic linker finds, or None where it has no such list."""
    if not Path(LDCONFIG).exists():
        return None
    listing = subprocess.run([LDCONFIG, "-p"], capture_output=True, text=True, check=True).stdout
    return frozenset(line.split(" ", 1)[0].strip() for line in listing.splitlines()[1:] if line.strip())


def _check_windows() -> None:
    programs = os.environ.get("PROGRAMFILES(X86)", "C:\\Program Files (x86)")
    if shutil.which("cl") is None and not (Path(programs) / VSWHERE).exists():
        raise SetupFailed(
            "Solo compiles llama.cpp for your machine and found no C++ compiler: install "
            '"Build Tools for Visual Studio" with "Desktop development with C++", then start again.'
        )
