from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_an_old_python_gets_one_sentence(tmp_path: Path) -> None:
    code = (
        "import runpy, sys\n"
        "sys.version_info = (3, 9, 2, 'final', 0)\n"
        f"runpy.run_path({str(ROOT / 'scripts' / 'bootstrap')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "Solo needs Python 3.11 or newer, and this is Python 3.9.2: install a newer one and start again."
    )


def test_an_unknown_verb_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "scripts" / "bootstrap", "dance"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_a_refused_choice_ends_with_code_1_and_no_traceback() -> None:
    command = [sys.executable, ROOT / "scripts" / "bootstrap", "run"]
    env = os.environ | {"SOLO_BACKEND": "metal"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 1
    assert "cpu, cuda or vulkan" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("start", ["scripts/run.sh", "link-to-run.sh"])
def test_run_works_from_any_folder_and_passes_arguments_on(tmp_path: Path, start: str) -> None:
    """A copy of the scripts whose bootstrap only says what it was given."""
    checkout = tmp_path / "a checkout"
    (checkout / "scripts" / "bootstrap").mkdir(parents=True)
    for name in ("run.sh", "python.sh"):
        shutil.copy(ROOT / "scripts" / name, checkout / "scripts")
    (checkout / "scripts" / "bootstrap" / "__main__.py").write_text("import os, sys; print(os.getcwd(), sys.argv[1:])")
    (checkout / "link-to-run.sh").symlink_to("scripts/run.sh")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = ["bash", checkout / start, "--model", "two words", ""]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=elsewhere)
    assert done.stdout.strip() == f"{elsewhere} ['run', '--model', 'two words', '']"


def test_a_benchmark_that_does_not_exist_is_refused_with_the_names_of_those_that_do(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    for name in ("bench.sh", "python.sh"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts")
    (tmp_path / "scripts" / "bench_reading.py").write_text("")
    command = ["bash", tmp_path / "scripts" / "bench.sh", "writing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'no benchmark called "writing"' in done.stderr
    assert "  reading" in done.stderr


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / "packaging/build.sh", ROOT / ".ci/run"]
)
def test_every_shell_script_is_well_formed(path: Path) -> None:
    done = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
