"""llama.cpp's devices, found by what they are and never by their index."""

from __future__ import annotations

import ctypes
import os
import re
from dataclasses import dataclass

from app.core.errors import NotEnoughMemory
from app.engine.child import ggml
from app.engine.child.logbook import Logbook

_BUS_ID = re.compile(r"^([0-9a-f]{4,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])$")
_ADD_SERVER = "ggml_backend_rpc_add_server"
_REMOTE = "SOLO_RPC_SERVERS"
_LOADED = re.compile(r"failed to load (\S+): (.*)")


@dataclass(frozen=True, slots=True)
class Device:
    """Name one device of llama.cpp; `bus_id` is empty where llama.cpp knows none.

    The sizes are the backend's own; for the CPU they mean nothing.
    """

    handle: int
    name: str
    description: str
    bus_id: str
    is_gpu: bool
    total_bytes: int = 0
    free_bytes: int = 0
    shares_ram: bool = False


def load_backends(logbook: Logbook) -> tuple[str, ...]:
    """Load llama.cpp's loadable backends, if it was built with such; return why some did not load."""
    failures: tuple[str, ...] = ()
    if not ggml.device_by_type(ggml.DEVICE_TYPE_CPU):  # otherwise all backends are built in
        logbook.forget()
        # Never by the default search path: it includes the current directory.
        ggml.load_all_backends(str(ggml.LIBRARIES).encode())
        failures = tuple(f"{path.rpartition('/')[2]}: {why}" for path, why in _LOADED.findall(logbook.errors()))
    return (*failures, *add_remote_devices(os.environ.get(_REMOTE, "")))


def add_remote_devices(endpoints: str) -> tuple[str, ...]:
    """Make devices of ggml's RPC servers at `endpoints` (`host:port`, comma-separated); return why some can't be.

    It is how two devices are had without a GPU. Never done unless the environment asks for it.
    """
    wanted = [endpoint.strip() for endpoint in endpoints.split(",") if endpoint.strip()]
    if wanted and not ggml.has_function(_ADD_SERVER):
        return ("this build of llama.cpp knows no RPC servers",)
    failures = []
    for endpoint in wanted:
        registry = ggml.function(_ADD_SERVER, ctypes.c_void_p, ctypes.c_char_p)(endpoint.encode())
        if registry:
            ggml.function("ggml_backend_register", None, ctypes.c_void_p)(registry)
        else:
            failures.append(f"no RPC server answers at {endpoint}")
    return tuple(failures)


def backend_names() -> tuple[str, ...]:
    """Return the names of the backends that are loaded."""
    return tuple(
        ggml.backend_name(ggml.backend_get(index)).decode("utf-8", "replace") for index in range(ggml.backend_count())
    )


def list_devices() -> tuple[Device, ...]:
    """Return every device that llama.cpp has, the CPU too."""
    return tuple(_describe(ggml.device_get(index)) for index in range(ggml.device_count()))


def _describe(handle: int) -> Device:
    props = ggml.DeviceProps()
    ggml.device_props(handle, ctypes.byref(props))
    return Device(
        handle=handle,
        name=_text(props.name),
        description=_text(props.description),
        bus_id=normal_bus_id(_text(props.device_id)),
        is_gpu=props.type in {ggml.DEVICE_TYPE_GPU, ggml.DEVICE_TYPE_IGPU},
        total_bytes=int(props.memory_total),
        free_bytes=int(props.memory_free),
        shares_ram=props.type == ggml.DEVICE_TYPE_IGPU,
    )


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")


def normal_bus_id(bus_id: str) -> str:
    """Return a PCI bus id in one form: NVML writes the domain with eight digits, others with four."""
    found = _BUS_ID.match(bus_id.strip().lower())
    return f"{int(found[1], 16):08x}:{found[2]}" if found else bus_id.strip().lower()


def find_devices(bus_ids: tuple[str, ...], devices: tuple[Device, ...]) -> tuple[Device, ...]:
    """Return the GPU for every bus id, each once. Raises NotEnoughMemory when one is gone.

    A device without a bus id (a remote one, say) is found by llama.cpp's name for it.
    """
    free = [device for device in devices if device.is_gpu]
    found = []
    for bus_id in bus_ids:
        wanted = normal_bus_id(bus_id)
        match = next((device for device in free if wanted in {device.bus_id, device.name.lower()}), None)
        if match is None:
            raise NotEnoughMemory(
                f"The graphics card at {bus_id} was planned for the model but the engine can't use it. "
                "Update its driver, or load the model again to plan without it."
            )
        free.remove(match)
        found.append(match)
    return tuple(found)
