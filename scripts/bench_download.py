"""Download a file over loopback, and check one, against curl and sha256sum: scripts/bench.sh download [MiB].

In each round curl, which only stores the file, and this program, which also hashes and syncs it, fetch the same
file from the same server. The numbers to reach are 0.9 of curl's and of sha256sum's speed, and flat memory.
Needs Linux, curl and sha256sum, and three times the size free in the folder that TMPDIR names.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from app.models.download import download_files  # noqa: E402 -- the repository is not installed
from app.models.download_stream import Tuning  # noqa: E402
from app.models.download_verify import check_file  # noqa: E402
from app.models.hub import Hub  # noqa: E402

REPOSITORY, NAME = "bench/model", "model.gguf"
MIB = 1 << 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mib", type=int, nargs="?", default=4096, help="size of the file in MiB")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="solo-bench-") as name:
        folder = Path(name)
        served = folder / "served.gguf"
        make_file(served, options.mib)
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.hub_server.fast", str(served)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with server:
            if server.stdout is None or server.stdin is None:
                raise RuntimeError("the server has no pipes")
            endpoint = server.stdout.readline().strip()
            rounds = [measure(endpoint, folder, options.mib) for _ in range(options.rounds)]
            server.stdin.close()
    curl, ours, ours_check, theirs_check = (max(column) for column in zip(*rounds, strict=True))
    shares = f"download {ours / curl:.2f} of curl, check {ours_check / theirs_check:.2f} of sha256sum"
    print(f"best of {options.rounds} rounds: {shares}")


def make_file(path: Path, mib: int) -> None:
    """Write `mib` MiB of bytes that differ."""
    piece = bytearray(os.urandom(MIB))
    with path.open("wb") as stream:
        for number in range(mib):
            piece[:8] = number.to_bytes(8, "little")
            stream.write(piece)


def measure(endpoint: str, folder: Path, mib: int) -> tuple[float, float, float, float]:
    """Return MiB per second of curl, this program, its check and sha256sum."""
    by_curl, ours = folder / "curl.gguf", folder / "ours"
    url = f"{endpoint}/{REPOSITORY}/resolve/main/{NAME}"
    curl_s = timed(lambda: subprocess.run(["curl", "-sS", "-o", str(by_curl), url], check=True))
    by_curl.unlink()
    before = resident_mib()
    download_s = timed(lambda: download(endpoint, ours))
    memory = resident_mib() - before
    path = ours / NAME
    check_s = timed(lambda: check_file(path, on_bytes=lambda _: None, cancel=threading.Event()))
    sum_s = timed(lambda: subprocess.run(["sha256sum", str(path)], check=True, stdout=subprocess.DEVNULL))
    path.unlink()
    speeds = mib / curl_s, mib / download_s, mib / check_s, mib / sum_s
    print("MiB/s: curl {:.0f}, solo {:.0f}, solo's check {:.0f}, sha256sum {:.0f}".format(*speeds), end="")
    print(f"; memory {memory:+.0f} MiB", flush=True)
    return speeds


def download(endpoint: str, folder: Path) -> None:
    """Fetch the file as the program does."""
    hub = Hub(endpoint, token="none")
    files = hub.list_files(REPOSITORY)
    cancel = threading.Event()
    tuning = Tuning(spare_bytes=0)
    download_files(files, folder, on_progress=lambda _: None, cancel=cancel, hub=hub, tuning=tuning)


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def resident_mib() -> float:
    """Return this process's memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
