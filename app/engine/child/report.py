"""What llama.cpp is and has here, told as JSON and over: `--report` in place of serving."""

from __future__ import annotations

import json
import sys
from typing import TextIO

import llama_cpp
from llama_cpp import llama_cpp as llama

from app.engine.child.devices import backend_names, list_devices, load_backends
from app.engine.child.logbook import Logbook


def write_report(out: TextIO) -> None:
    """Write one line of JSON: version, processor features, backends and devices."""
    logbook = Logbook()
    logbook.open()
    failures = load_backends(logbook)
    devices = [
        {"name": device.name, "description": device.description, "bus_id": device.bus_id, "is_gpu": device.is_gpu}
        for device in list_devices()
    ]
    report = {
        "version": llama_cpp.__version__,
        "system": (llama.llama_print_system_info() or b"").decode("utf-8", "replace"),
        "backends": backend_names(),
        "failures": failures,
        "devices": devices,
    }
    print(json.dumps(report), file=out, flush=True)
    sys.stderr.flush()
