from __future__ import annotations

import ctypes
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

pytestmark = pytest.mark.usefixtures("packaging_modules")


def test_the_desktop_entry_is_valid(root: Path) -> None:
    command = ["desktop-file-validate", root / "packaging" / "solo.desktop"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("size", [16, 48, 256])
def test_the_icon_is_drawn_at_every_size(root: Path, tmp_path: Path, size: int) -> None:
    target = tmp_path / "icons" / "solo.png"
    import_module("build_deb").draw_icon(root / "resources" / "icons" / "solo.svg", size, target)
    image = QImage(str(target))
    assert (image.width(), image.height()) == (size, size)
    assert image.pixelColor(0, 0).alpha() == 0
    assert image.pixelColor(size // 2, size // 8).name().upper() == "#B5480F"


def test_the_control_file_names_version_size_and_libraries() -> None:
    control = import_module("build_deb").make_control("1.2.3", "amd64", "One sentence.", 4711)
    fields = dict(line.split(": ", 1) for line in control.splitlines() if not line.startswith(" "))
    assert (fields["Version"], fields["Installed-Size"]) == ("1.2.3", "4711")
    names = {entry.split()[0] for entry in fields["Depends"].split(", ")}
    assert {"libxcb-cursor0", "libegl1", "libstdc++6", "libc6"} <= names
    assert not {"g++", "python3-venv"} & names


def test_the_size_is_counted_in_whole_kib(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1025)
    (tmp_path / "b").write_bytes(b"x")
    (tmp_path / "link").symlink_to("a")
    assert import_module("build_deb").measure_kib(tmp_path) == 3


def test_installed_files_have_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "folder" / "text").write_text("")
    (tmp_path / "folder" / "text").chmod(0o600)
    (tmp_path / "folder" / "program").write_text("")
    (tmp_path / "folder" / "program").chmod(0o700)
    import_module("build_deb").set_modes(tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "folder").iterdir()}
    assert modes == {"text": 0o644, "program": 0o755}
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755


def test_a_librarys_copies_become_one_library(tmp_path: Path) -> None:
    """The names a wheel holds three times must open the same library, not one registry each."""
    compiler = shutil.which("c++")
    assert compiler is not None
    source = tmp_path / "source.cpp"
    source.write_text('static int n = 0; extern "C" int next() { return ++n; }')
    real = tmp_path / "libcount.so.0"
    soname = "-Wl,-soname,libcount.so.0"
    subprocess.run([compiler, "-shared", "-fPIC", soname, source, "-o", real], check=True)
    for name in ("libcount.so", "libcount.so.0.1.2"):
        shutil.copyfile(real, tmp_path / name)
    shutil.copyfile(real, tmp_path / "libplugin.so")
    import_module("bundle").link_versions(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.so*")) == [
        "libcount.so",
        "libcount.so.0",
        "libplugin.so",
    ]
    assert ctypes.CDLL(str(tmp_path / "libcount.so")).next() == 1
    assert ctypes.CDLL(str(real)).next() == 2


def test_the_licenses_of_what_is_bundled_are_collected() -> None:
    text = import_module("bundle").collect_licenses("jinja2==3.1.6 \\\n    --hash=x\nno-such-package==1.0\n")
    assert "Jinja2 3" in text.splitlines()[0]
    assert "Redistribution and use in source and binary forms" in text


@pytest.mark.parametrize(
    "name",
    [
        "libstdc++.so.6",
        "libgcc_s.so.1",
        "libvulkan.so.1",
        "libexpat.so.1",
        "libxcb-cursor.so.0",
        "libfontconfig.so.1",
        "PySide6/Qt/lib/libQt6Quick.so.6",
        "PySide6/Qt/translations/qt_de.qm",
    ],
)
def test_what_the_system_has_and_what_nothing_uses_stays_out(name: str) -> None:
    assert not import_module("bundle").is_wanted(name)


@pytest.mark.parametrize(
    "name",
    [
        "libpython3.11.so.1.0",
        "libssl.so.3",
        "libgomp.so.1",
        "llama_cpp/lib/libggml-cpu-haswell.so",
        "PySide6/Qt/lib/libQt6Widgets.so.6",
        "PySide6/Qt/plugins/platforms/libqxcb.so",
        "pillow.libs/libjpeg-1234.so.62",
        "resources/icons/solo.svg",
        "resources/solo-mini/solo-mini-Q4_K_M.gguf",
        "resources/solo-mini/mmproj-solo-mini.gguf",
        "solo",
    ],
)
def test_what_the_program_needs_goes_in(name: str) -> None:
    assert import_module("bundle").is_wanted(name)
