"""`solo plan`: hardware described on the command line, the 119B model's header, and this machine."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from tests.console.conftest import Run
from tests.models.gguf_builder import large_gguf, small_gguf, small_projector

MIB = 1 << 20
KEYS = [
    "fits",
    "context_tokens",
    "n_gpu_layers",
    "tensor_split",
    "overrides",
    "devices",
    "host",
    "expected_tokens_per_second",
    "reasons",
]
DEVICE_KEYS = ["name", "budget_bytes", "weights_bytes", "kv_bytes", "compute_bytes", "projector_bytes", "total_bytes"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return large_gguf().write(tmp_path_factory.mktemp("large") / "large.gguf")


def planned(solo: Run, *arguments: object) -> dict[str, Any]:
    done = solo("plan", "--json", *map(str, arguments))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return dict(json.loads(done.stdout))


def test_the_119b_on_two_described_cards(solo: Run, large: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    plan = planned(solo, "--model", large, "--gpu", 24105, "--gpu", 24105, "--ram", 65536, "--context", 32768)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # The time it computes: what it waits for on a busy machine is not its own.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
    assert list(plan) == KEYS
    assert [list(device) for device in plan["devices"]] == [DEVICE_KEYS] * 2
    assert list(plan["host"]) == ["weights_bytes", "total_bytes"]
    assert (plan["fits"], plan["context_tokens"], plan["n_gpu_layers"]) == (True, 32768, 37)
    assert sum(plan["tensor_split"]) == 37
    assert plan["overrides"][0].keys() == {"pattern", "buffer"}
    assert 10 < plan["expected_tokens_per_second"] < 60
    for device in plan["devices"]:
        parts = ("weights_bytes", "kv_bytes", "compute_bytes", "projector_bytes")
        assert device["total_bytes"] == sum(device[part] for part in parts)
        assert 0.95 * device["budget_bytes"] < device["total_bytes"] <= device["budget_bytes"]
    assert all(reason.endswith(".") for reason in plan["reasons"])


def test_reserves_once_and_per_card(solo: Run, tmp_path: Path) -> None:
    model = small_gguf().write(tmp_path / "m.gguf")
    cards = ("--model", model, "--gpu", 9000, "--gpu", 8000, "--ram", 8000)
    (device,) = planned(solo, *cards, "--reserve", 0)["devices"]
    assert device["budget_bytes"] == 9000 * MIB
    (device,) = planned(solo, *cards, "--reserve", 3000, "--reserve", 500)["devices"]
    assert (device["name"], device["budget_bytes"]) == ("GPU of 8,000 MiB (GPU 2)", 7500 * MIB)


def test_a_projector_is_planned_with_the_model(solo: Run, tmp_path: Path) -> None:
    model, projector = small_gguf().write(tmp_path / "m.gguf"), small_projector().write(tmp_path / "mmproj.gguf")
    (device,) = planned(solo, "--model", model, "--projector", projector, "--gpu", 8000, "--ram", 8000)["devices"]
    assert device["projector_bytes"] > 700 * MIB


def test_what_does_not_fit_is_said_and_is_no_error(solo: Run, large: Path) -> None:
    plan = planned(solo, "--model", large, "--gpu", 8192, "--ram", 16384)
    assert not plan["fits"]
    assert any("of free RAM are missing" in reason for reason in plan["reasons"])
    told = solo("plan", "--model", str(large), "--gpu", "8192", "--ram", "16384")
    assert told.returncode == 0
    assert "It does not fit." in told.stdout.splitlines()


@pytest.mark.model
def test_this_machine_is_meant_without_cards(solo: Run, tmp_path: Path, home: dict[str, str]) -> None:
    plan = planned(solo, "--model", small_gguf().write(tmp_path / "m.gguf"))
    assert plan["fits"]
    (kept,) = json.loads((Path(home["XDG_DATA_HOME"]) / "solo" / "measurements.json").read_text())[
        "ram_bandwidth"
    ].values()
    assert kept > 1e8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--gpu", "8000"], "--gpu needs --ram"),
        (
            ["--gpu", "8", "--gpu", "8", "--ram", "8", "--reserve", "1", "--reserve", "1", "--reserve", "1"],
            "once for every",
        ),
        (["--gpu", "0", "--ram", "8"], "a number above 0"),
        (["--gpu", "8", "--ram", "8", "--reserve", "x"], "a whole number"),
    ],
)
def test_wrong_usage_is_named(solo: Run, tmp_path: Path, arguments: list[str], words: str) -> None:
    done = solo("plan", "--model", str(small_gguf().write(tmp_path / "m.gguf")), *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_file_that_is_no_model_is_a_sentence(solo: Run, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"nothing")
    done = solo("plan", "--model", str(tmp_path / "m.gguf"), "--gpu", "8000", "--ram", "8000")
    assert (done.returncode, done.stdout) == (1, "")
    assert "m.gguf" in done.stderr
