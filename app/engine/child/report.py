"""What llama.cpp is and has here, told as JSON and over: `--report` in place of serving."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

import llama_cpp
from llama_cpp import llama_cpp as llama

from app.engine.child.devices import Device, backend_names, list_devices, load_backends
from app.engine.child.logbook import Logbook
from app.engine.child.probing import takes_f32_experts


def write_report(out: TextIO) -> None:
    """Write one line of JSON: version, processor features, backends and devices."""
    logbook = Logbook()
    logbook.open()
    failures = load_backends(logbook)
    devices = [_describe(device) for device in list_devices()]
    report = {
        "version": llama_cpp.__version__,
        "system": (llama.llama_print_system_info() or b"").decode("utf-8", "replace"),
        "backends": backend_names(),
        "failures": failures,
        "devices": devices,
    }
    print(json.dumps(report), file=out, flush=True)
    sys.stderr.flush()


def _describe(device: Device) -> dict[str, Any]:
    return {
        "name": device.name,
        "description": device.description,
        "bus_id": device.bus_id,
        "is_gpu": device.is_gpu,
        "total_bytes": device.total_bytes if device.is_gpu else 0,
        "free_bytes": device.free_bytes if device.is_gpu else 0,
        "shares_ram": device.shares_ram,
        "takes_f32_experts": takes_f32_experts(device.handle),
    }
