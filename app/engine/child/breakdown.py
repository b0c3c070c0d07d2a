"""What llama.cpp's buffers hold on each device: its own account, after a load or after a dry run.

llama.cpp has this as a C++ function only (`llama-ext.h`), which returns a `std::map` by value. Its tree is read
here as GNU's library lays it out; where the program was linked with another one, nothing is said. The few
nodes of the tree are never freed: some hundred bytes a load.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ctypes import Structure, c_size_t, c_void_p

from app.core.facts import BufferUse
from app.engine.child import ggml
from app.engine.child.devices import list_devices

CPU = "CPU"
_SYMBOL = "_Z26llama_get_memory_breakdownPK13llama_context"
_MAX_NODES = 4096  # a tree deeper or larger than this is none


class _Map(Structure):
    """Mirror `std::map`: its order, the header of its tree, and its size."""

    _fields_ = (
        ("order", c_size_t),
        ("color", c_size_t),
        ("root", c_void_p),
        ("first", c_void_p),
        ("last", c_void_p),
        ("count", c_size_t),
    )


class _Node(Structure):
    """Mirror a node of the tree, with `llama_memory_breakdown_data` as its value."""

    _fields_ = (
        ("color", c_size_t),
        ("parent", c_void_p),
        ("left", c_void_p),
        ("right", c_void_p),
        ("buffer_type", c_void_p),
        ("model", c_size_t),
        ("context", c_size_t),
        ("compute", c_size_t),
    )


def read_buffers(context: int) -> tuple[BufferUse, ...]:
    """Return what the buffers of each device hold, the CPU's last; nothing where llama.cpp can't be asked."""
    if sys.platform != "linux" or not ggml.has_function(_SYMBOL):
        return ()
    found = ggml.function(_SYMBOL, _Map, c_void_p)(context)
    if not 0 < found.count <= _MAX_NODES:
        return ()
    keys = {device.handle: device.bus_id or device.name.lower() for device in list_devices() if device.is_gpu}
    sizes: dict[str, list[int]] = {}
    for node in _walk(found.root):
        is_host = ggml.buffer_type_is_host(node.buffer_type)
        device = CPU if is_host else keys.get(int(ggml.buffer_type_device(node.buffer_type) or 0), CPU)
        total = sizes.setdefault(device, [0, 0, 0])
        for index, size in enumerate((node.model, node.context, node.compute)):
            total[index] += size
    return tuple(BufferUse(key, *sizes[key]) for key in sorted(sizes, key=lambda key: (key == CPU, key)))


def _walk(address: int | None) -> Iterator[_Node]:
    if address:
        node = _Node.from_address(address)
        yield from _walk(node.left)
        yield node
        yield from _walk(node.right)
