"""The local server speaks the Hub's protocol: huggingface-hub itself is content with it, also by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi, close_session, hf_hub_download
from huggingface_hub.errors import GatedRepoError

from tests.hub_server.bench import content_of
from tests.hub_server.faults import Fault, Kind, Where, parse_fault
from tests.hub_server.server import HubServer

ROOT = Path(__file__).resolve().parents[2]
CONTENT = content_of(300_000)

DOWNLOAD = """
import sys, threading
from pathlib import Path
from app.models.download import download_files
from app.models.hub import Hub
download_files(Hub().list_files("me/model"), Path(sys.argv[1]), on_progress=lambda p: None, cancel=threading.Event())
"""


@pytest.fixture
def served(tmp_path: Path) -> Path:
    folder = tmp_path / "served"
    (folder / "Q4").mkdir(parents=True)
    (folder / "Q4" / "model.gguf").write_bytes(CONTENT)
    return folder


def test_the_library_downloads_from_it(served: Path, tmp_path: Path) -> None:
    with HubServer() as server:
        server.add_folder("me/model", served)
        found = hf_hub_download("me/model", "Q4/model.gguf", endpoint=server.endpoint, local_dir=tmp_path / "here")
        assert Path(found).read_bytes() == CONTENT
        infos = HfApi(endpoint=server.endpoint).get_paths_info("me/model", ["Q4/model.gguf"])
        assert [(info.path, info.size) for info in infos] == [("Q4/model.gguf", len(CONTENT))]  # type: ignore[union-attr]
        server.repositories["me/model"].token, server.repositories["me/model"].gated = "right", True
        with pytest.raises(GatedRepoError):
            HfApi(endpoint=server.endpoint, token=False).model_info("me/model")
        close_session()


def test_by_hand_as_a_process_of_its_own(served: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.hub_server", f"me/model={served}", "--fault", "cut,at=1000,times=2"]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with server:
        assert server.stdout is not None
        assert server.stdin is not None
        environment = os.environ | {"HF_ENDPOINT": server.stdout.readline().strip()}
        environment.pop("HF_HUB_OFFLINE", None)
        subprocess.run(
            [sys.executable, "-c", DOWNLOAD, str(tmp_path / "models")], cwd=ROOT, env=environment, check=True
        )
        server.stdin.close()
    assert server.returncode == 0
    assert (tmp_path / "models" / "model.gguf").read_bytes() == CONTENT


def test_faults_can_be_written_on_the_command_line() -> None:
    assert parse_fault("cut,at=7") == Fault(Kind.CUT, at=7)
    read = parse_fault("status,where=resolve,status=429,retry_after=3,times=-1")
    assert read == Fault(Kind.STATUS, Where.RESOLVE, status=429, retry_after=3, times=-1)
