"""Which kind of llama.cpp to build for this machine."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.bootstrap.places import ON_WINDOWS, SetupFailed

VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
DISPLAY_CLASS = "0x03"
PCI_DEVICES = Path("/sys/bus/pci/devices")
NEEDED_BY_VULKAN = b"VK_EXT_layer_settings"
VULKAN_PACKAGES = "libvulkan-dev glslc spirv-headers"
CPUINFO_CHARACTERS = 8192
VECTOR_FLAGS = ("amx", "asimd", "avx", "bf16", "bmi", "f16c", "fma", "i8mm", "sme", "sse", "ssse", "sve")

# The libraries belong to the package; without this CMake also leaves copies in site-packages/lib.
COMMON_OPTIONS = (
    "-DCMAKE_INSTALL_LIBDIR=llama_cpp/lib",
    "-DCMAKE_INSTALL_BINDIR=llama_cpp/lib",
    "-DCMAKE_INSTALL_INCLUDEDIR=llama_cpp/include",
    "-DCMAKE_INSTALL_RPATH=$ORIGIN",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_TOOLS=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_OPENSSL=OFF",
)
# Every backend is a file of its own, loaded where the processor or a Vulkan driver can use it.
PORTABLE_OPTIONS = ("-DGGML_NATIVE=OFF", "-DGGML_BACKEND_DL=ON", "-DGGML_CPU_ALL_VARIANTS=ON")
VULKAN_OPTION = "-DGGML_VULKAN=ON"


@dataclass(frozen=True, slots=True)
class Machine:
    """Say which GPUs and which GPU compilers this machine has.

    `gpus` are "vendor:device" PCI numbers, `nvcc` is the CUDA compiler, `has_vulkan_tools` says that glslc
    and recent enough headers of Vulkan and SPIR-V are there.
    """

    gpus: tuple[str, ...] = ()
    vendors: frozenset[str] = frozenset()
    nvcc: Path | None = None
    has_vulkan_tools: bool = False


@dataclass(frozen=True, slots=True)
class Build:
    """Describe one build of llama.cpp: its backend, its CMake options, and what it is tied to.

    `hint` is a sentence for the person when a GPU will lie idle, or empty.
    """

    backend: str
    options: tuple[str, ...]
    tied_to: tuple[str, ...] = ()
    hint: str = ""


def choose_backend(machine: Machine, wanted: str = "") -> tuple[str, str]:
    """Return the backend to build and a hint; `wanted` is what the person asked for, or empty.

    Raises SetupFailed when the person asked for what this machine cannot build.
    """
    can_build = {"cpu": True, "cuda": machine.nvcc is not None, "vulkan": machine.has_vulkan_tools}
    if wanted:
        return _accept(wanted.lower(), can_build), ""
    # A CUDA compiler alone is no reason: without the card, the build takes an hour for nothing.
    if machine.nvcc is not None and "NVIDIA" in machine.vendors:
        return "cuda", ""
    if machine.vendors and machine.has_vulkan_tools:
        return "vulkan", ""
    return "cpu", _hint(machine)


def plan_local(machine: Machine, wanted: str = "") -> Build:
    """Return the build that is fastest on this very machine."""
    backend, hint = choose_backend(machine, wanted)
    options = {
        "cpu": (),
        "cuda": ("-DGGML_CUDA=ON", f"-DCMAKE_CUDA_COMPILER={machine.nvcc}"),
        "vulkan": (VULKAN_OPTION,),
    }[backend]
    gpus = machine.gpus if backend == "cuda" else ()
    return Build(backend, (*COMMON_OPTIONS, *options), (_read_cpu(), *gpus), hint)


def plan_portable(machine: Machine) -> Build:
    """Return the build that runs on every machine of this architecture, with Vulkan if it can be compiled here."""
    options = (*COMMON_OPTIONS, *PORTABLE_OPTIONS)
    if machine.has_vulkan_tools:
        return Build("portable", (*options, VULKAN_OPTION))
    hint = f"The package will use no GPU: for that, build it where {VULKAN_PACKAGES} are installed and recent."
    return Build("portable", options, hint=hint)


def look_at_machine(environ: Mapping[str, str] = os.environ) -> Machine:
    """Return this machine's GPUs and GPU compilers; takes a few milliseconds."""
    gpus, vendors = _find_windows_gpus(environ) if ON_WINDOWS else find_gpus(PCI_DEVICES)
    if Path("/dev/nvidiactl").exists() or Path("/usr/lib/wsl/lib/nvidia-smi").exists():
        vendors |= {"NVIDIA"}
    return Machine(gpus, vendors, _find_nvcc(environ), _has_vulkan_tools(environ))


def find_gpus(devices: Path) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the display adapters of known makers listed under `devices` (Linux sysfs)."""
    gpus = []
    vendors = set()
    for folder in sorted(devices.iterdir()) if devices.is_dir() else ():
        vendor = _read(folder / "vendor")
        if vendor in VENDORS and _read(folder / "class").startswith(DISPLAY_CLASS):
            gpus.append(f"{vendor}:{_read(folder / 'device')}")
            vendors.add(VENDORS[vendor])
    return tuple(gpus), frozenset(vendors)


def _accept(wanted: str, can_build: Mapping[str, bool]) -> str:
    if wanted not in can_build:
        raise SetupFailed(f'SOLO_BACKEND is "{wanted}", but it can only be cpu, cuda or vulkan.')
    if not can_build[wanted]:
        lacking = "the CUDA toolkit (nvcc)" if wanted == "cuda" else f"a recent {VULKAN_PACKAGES}"
        raise SetupFailed(f"SOLO_BACKEND asks for {wanted}, but {lacking} is not installed here.")
    return wanted


def _hint(machine: Machine) -> str:
    if not machine.vendors:
        return ""
    makers = " and ".join(sorted(machine.vendors))
    recent = f"{VULKAN_PACKAGES} (from Debian 13, Ubuntu 24.04 or newer; Debian 12's are too old)"
    package = "nvidia-cuda-toolkit" if "NVIDIA" in machine.vendors else recent
    return (
        f"This machine has a GPU from {makers} that this build will not use: install {package} "
        "and start again, and Solo builds anew for it."
    )


def _find_nvcc(environ: Mapping[str, str]) -> Path | None:
    folders = [environ.get("PATH", "")]
    folders += [str(Path(environ[name]) / "bin") for name in ("CUDA_HOME", "CUDA_PATH") if environ.get(name)]
    folders.append("/usr/local/cuda/bin")
    found = shutil.which("nvcc", path=os.pathsep.join(folders))
    return Path(found).resolve() if found else None


def _has_vulkan_tools(environ: Mapping[str, str]) -> bool:
    if environ.get("VULKAN_SDK"):
        return True
    return shutil.which("glslc", path=environ.get("PATH", "")) is not None and has_vulkan_headers()


def has_vulkan_headers(prefixes: Sequence[Path] = (Path("/usr/include"), Path("/usr/local/include"))) -> bool:
    """Return whether headers are there with which llama.cpp's Vulkan backend compiles; Debian 12's are too old."""
    headers = [prefix / "vulkan" / "vulkan_core.h" for prefix in prefixes]
    has_spirv = any((prefix / "spirv" / "unified1" / "spirv.hpp").exists() for prefix in prefixes)
    return has_spirv and any(NEEDED_BY_VULKAN in header.read_bytes() for header in headers if header.exists())


def _find_windows_gpus(environ: Mapping[str, str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the GPU makers whose drivers are installed; asking Windows itself takes seconds."""
    system = Path(environ.get("SYSTEMROOT", "C:\\Windows")) / "System32"
    drivers = {"NVIDIA": "nvcuda.dll", "AMD": "amdvlk64.dll", "Intel": "igvk64.dll"}
    return (), frozenset(vendor for vendor, driver in drivers.items() if (system / driver).exists())


def describe_cpu(cpuinfo: str) -> str:
    """Return the processor's name and vector instructions, which a native build is tied to.

    The other flags change with the kernel, and would cost a build after its every update.
    """
    first = cpuinfo.split("\n\n", 1)[0].splitlines()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first)}
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    names = [facts.get(key, "") for key in ("model name", "CPU part")]
    return " ".join([*names, *sorted(flag for flag in flags if flag.startswith(VECTOR_FLAGS))])


def _read_cpu() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as stream:
            return describe_cpu(stream.read(CPUINFO_CHARACTERS))
    except FileNotFoundError:
        return platform.processor()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
