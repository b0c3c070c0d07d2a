"""What of `gpu_check.sh` can run without a GPU: its usage, its refusal, and the parts that also know the CPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "gpu_check.sh"


def run(*command: str | Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PATH": path} if path else {})
    return subprocess.run(
        [*map(str, command)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def test_help_says_what_it_does() -> None:
    done = run("bash", SCRIPT, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--skip-build" in done.stdout
    assert "#" not in done.stdout


def test_an_unknown_option_is_named() -> None:
    done = run("bash", SCRIPT, "--fast")
    assert done.returncode == 2
    assert "--fast is not known" in done.stderr


def test_without_a_gpu_it_stops_before_it_builds(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "mkdir", "date", "grep", "sed", "python3"):
        (tools / name).symlink_to(shutil.which(name) or "/nowhere")
    done = run("bash", SCRIPT, "--folder", tmp_path / "out", path=str(tools))
    assert done.returncode == 1
    assert "this check needs one" in done.stderr
    assert not (tmp_path / "out" / "venv").exists()


@pytest.mark.model
def test_large_activations_stay_finite_on_the_cpu(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "scripts.gpu_checks", "overflow", "--folder", tmp_path)
    assert done.returncode == 0, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("| CPU ")]
    assert row.split(" | ")[1:3] == ["True", "True"]


@pytest.mark.model
def test_without_cards_the_device_list_is_a_finding(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "scripts.gpu_checks", "devices", "--folder", tmp_path)
    if done.returncode == 0:
        pytest.skip("this machine has a GPU that the engine can use")
    assert done.returncode == 1, done.stderr
    assert "Engine: CPU" in done.stdout


@pytest.mark.model
def test_the_small_model_writes_the_same_tokens_everywhere(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "scripts.gpu_checks", "small", "--folder", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Greedy tokens: the same (72 compared)" in done.stdout


def test_shellcheck_is_content() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    done = run("shellcheck", SCRIPT)
    assert done.returncode == 0, done.stdout
