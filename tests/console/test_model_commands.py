"""`solo download`, `models`, `verify` and `setup` as real child processes against a real server."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.models.catalogue import load_catalogue
from tests.console.conftest import ROOT, SOLO, Run
from tests.hub_server.faults import Fault, Kind
from tests.hub_server.server import HubServer, Repository
from tests.models.gguf_builder import Gguf, small_metadata, small_projector, small_tensors

REPOSITORY = "maker/tiny-GGUF"
SMALL = load_catalogue()[-1]
DEADLINE_S = 120.0


@pytest.fixture
def hub(tmp_path: Path, home: dict[str, str]) -> Iterator[HubServer]:
    model = Gguf(small_metadata(block_count=20), small_tensors(20)).write(tmp_path / "served.gguf").read_bytes()
    projector = small_projector().write(tmp_path / "served-mmproj.gguf").read_bytes()
    with HubServer() as server:
        server.repositories[REPOSITORY] = Repository(
            {"tiny-Q4_K_M.gguf": model, "tiny-Q8_0.gguf": model + bytes(64), "mmproj-F16.gguf": projector}
        )
        assert SMALL.projector is not None
        server.repositories[SMALL.repository] = Repository({SMALL.files[0]: model, SMALL.projector.file: projector})
        home["HF_ENDPOINT"] = server.endpoint
        yield server


@pytest.fixture
def models(home: dict[str, str], tmp_path: Path) -> Path:
    home["SOLO_MODELS"] = str(tmp_path / "models")
    return tmp_path / "models"


def test_download_models_verify_and_repair(solo: Run, hub: HubServer, models: Path) -> None:
    assert "no other model on this computer yet" in solo("models").stdout
    done = solo("download", REPOSITORY)
    assert done.returncode == 0, done.stderr
    path = models / "maker" / "tiny-GGUF" / "tiny-Q4_K_M.gguf"
    assert path.read_bytes() == hub.repositories[REPOSITORY].files["tiny-Q4_K_M.gguf"]
    assert path.with_name("mmproj-F16.gguf").is_file()
    assert done.stdout.splitlines()[-1] == f"Whole and verified: {path}"
    assert "\r" not in done.stderr, "plain lines where there is no terminal"
    built_in, listed = json.loads(solo("models", "--json").stdout)
    assert "built in" in built_in["name"]
    assert (listed["path"], listed["state"], listed["verified"], listed["program"]) == (
        str(path),
        "complete",
        True,
        "Solo",
    )
    row = solo("models").stdout.splitlines()[2].split()
    assert row[0] == "tiny-Q4_K_M"
    assert "verified" in row
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    damaged = solo("verify", path)
    assert damaged.returncode == 1
    assert "damaged" in damaged.stderr
    assert "--repair" in damaged.stderr
    assert json.loads(solo("verify", path, "--repair", "--json").stdout)["whole"] is True
    assert path.read_bytes() == hub.repositories[REPOSITORY].files["tiny-Q4_K_M.gguf"]
    whole = solo("verify", path)
    assert (whole.returncode, whole.stdout.strip()) == (
        0,
        "tiny-Q4_K_M.gguf is whole: every byte is as it must be.",
    )


def test_a_quantization_a_file_and_a_folder_can_be_chosen(solo: Run, hub: HubServer, tmp_path: Path) -> None:
    done = solo("download", REPOSITORY, "--quant", "q8_0", "--to", tmp_path / "there", "--json")
    assert done.returncode == 0, done.stderr
    *progress, end = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["event"] for line in progress} == {"progress"}
    assert progress[-1]["done_bytes"] == progress[-1]["total_bytes"]
    assert end["event"] == "finished"
    assert end["model"] == str(tmp_path / "there" / "tiny-Q8_0.gguf")
    assert Path(end["projector"]).is_file()
    by_file = solo("download", REPOSITORY, "--file", "tiny-Q4_K_M.gguf", "--to", tmp_path / "there")
    assert by_file.returncode == 0, by_file.stderr
    assert (tmp_path / "there" / "tiny-Q4_K_M.gguf").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nonsense",), "owner/name"),
        (("maker/unknown",), "does not exist"),
        ((REPOSITORY, "--quant", "Q2_K"), "It offers: Q4_K_M, Q8_0"),
        ((REPOSITORY, "--file", "x.gguf"), "called x.gguf"),
    ],
)
def test_what_can_not_be_downloaded_is_one_sentence(
    solo: Run, hub: HubServer, arguments: tuple[str, ...], words: str
) -> None:
    done = solo("download", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def wait_for(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ctrl_c_keeps_what_arrived_and_the_same_command_goes_on(
    solo: Run, hub: HubServer, home: dict[str, str], models: Path
) -> None:
    hub.script.add(Fault(Kind.CUT, at=1 << 40), Fault(Kind.HANG, at=1000, times=-1))  # the projector comes first
    command = [*SOLO, "download", REPOSITORY]
    process = subprocess.Popen(command, cwd=ROOT, env=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    folder = models / "maker" / "tiny-GGUF"
    wait_for(process, (folder / "tiny-Q4_K_M.gguf.part").exists)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert b"Stopped. What has arrived is kept; the same command goes on from there." in stderr
    assert b"Traceback" not in stderr
    assert (folder / "mmproj-F16.gguf").is_file()
    built_in, listed = json.loads(solo("models", "--json").stdout)
    assert "built in" in built_in["name"]
    assert listed["state"] == "partial"
    hub.script.clear()
    before = hub.sent_bytes
    assert solo("download", REPOSITORY).returncode == 0
    projector_bytes = len(hub.repositories[REPOSITORY].files["mmproj-F16.gguf"])
    model_bytes = len(hub.repositories[REPOSITORY].files["tiny-Q4_K_M.gguf"])
    assert hub.sent_bytes - before <= model_bytes, "the projector is not fetched again"
    assert projector_bytes > 0


def test_a_terminal_gets_one_line_that_is_written_over(hub: HubServer, home: dict[str, str], models: Path) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*SOLO, "download", REPOSITORY], cwd=ROOT, env=home, stdout=subprocess.DEVNULL, stderr=follower
    )
    os.close(follower)
    written = bytearray()
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(leader)
    assert process.wait(DEADLINE_S) == 0
    assert written.count(b"\r") > written.count(b"\n")
    assert b"100 %" in written


def test_verify_of_a_file_from_anywhere_checks_its_structure(solo: Run, tmp_path: Path) -> None:
    path = Gguf(small_metadata(), small_tensors(2)).write(tmp_path / "own.gguf")
    done = solo("verify", path, "--json")
    assert json.loads(done.stdout) == {
        "path": str(path),
        "whole": True,
        "compared": False,
        "damaged_bytes": 0,
        "fetched_bytes": 0,
    }
    Gguf(small_metadata(), small_tensors(2)).write(path, missing_bytes=5)
    cut = solo("verify", path)
    assert cut.returncode == 1
    assert "incomplete" in cut.stderr
    assert solo("verify", tmp_path / "gone.gguf").returncode == 1


# --- setup --------------------------------------------------------------------------------------


def test_setup_tells_a_script_what_it_would_offer(solo: Run, models: Path) -> None:
    found = json.loads(solo("setup", "--json").stdout)
    assert [task["name"] for task in found["tasks"]] == ["hardware", "choice", "place", "download", "check", "load"]
    assert found["tasks"][0]["state"] == "done"
    assert [offer["id"] for offer in found["offers"]] == [entry.id for entry in load_catalogue()]
    assert all(offer["fit"].startswith(("Fits ", "Too big: needs ")) for offer in found["offers"])
    assert found["folder"] == str(models)
    assert found["free_bytes"] > 0


def settings_of(home: dict[str, str]) -> dict[str, str]:
    found = json.loads((Path(home["XDG_CONFIG_HOME"]) / "solo" / "settings.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_setup_can_be_left_and_goes_on_until_loading_fails_with_a_sentence(
    solo: Run, hub: HubServer, home: dict[str, str], models: Path
) -> None:
    number = [entry.id for entry in load_catalogue()].index(SMALL.id) + 1
    left = solo("setup", input=f"99\n{number}\nq\n")
    assert left.returncode == 0, left.stderr
    assert "A number from 1 to" in left.stdout
    assert "goes on from here" in left.stdout
    assert settings_of(home)["first_choice"] == SMALL.id
    # The served model has random bytes for weights, so that the engine refuses it: the last task fails.
    failed = solo("setup", input="\n\nq\n")
    assert (models / SMALL.id / SMALL.files[0]).is_file(), failed.stdout + failed.stderr
    assert "Check (done)" in failed.stdout
    assert "Try again? [yes]" in failed.stdout
    assert settings_of(home)["first_run"] == ""


def test_setup_is_skipped_with_s(solo: Run, home: dict[str, str], models: Path) -> None:
    done = solo("setup", input="s\n")
    assert done.returncode == 0
    assert "The built-in model answers" in done.stdout
    assert settings_of(home)["first_run"] == "skipped"


@pytest.mark.model
def test_setup_without_questions_ends_with_a_loaded_model(
    solo: Run, hub: HubServer, home: dict[str, str], tmp_path: Path, small_model: Path, projector: Path
) -> None:
    assert SMALL.projector is not None
    hub.repositories[SMALL.repository] = Repository(
        {SMALL.files[0]: small_model.read_bytes(), SMALL.projector.file: projector.read_bytes()}
    )
    done = solo("setup", "--yes", "--choose", SMALL.id, "--to", tmp_path / "disk")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Loaded in" in done.stdout
    kept = settings_of(home)
    assert kept["first_run"] == "done"
    assert kept["model"] == str(tmp_path / "disk" / SMALL.id / SMALL.files[0])
