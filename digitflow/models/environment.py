"""Where numbers come from: versions, the kind of processor; and what memory they took."""

import os
import platform
from pathlib import Path

import numpy as np

from digitflow.store.lineage import installed_version

LIBRARIES = ("digitflow", "numpy", "scikit-learn", "scipy", "skops")
# What makes linear algebra take other paths than the processor's own.
_STEERING = ("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE")


def list_libraries() -> dict[str, str]:
    """Return the versions of Python and of what the numbers come from."""
    # Another patch of Python is the same compiled libraries.
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python} | {name: installed_version(name) for name in LIBRARIES}


def describe_machine() -> str:
    """Return the kind of processor, as far as the last bit of a sum depends on it."""
    found = np.show_config(mode="dicts") or {}
    extensions = found.get("SIMD Extensions", {}).get("found", [])
    system = f"{platform.system()} {platform.machine()} {''.join(platform.libc_ver())}"
    steered = [f"{name}={os.environ[name]}" for name in _STEERING if name in os.environ]
    parts = (system.strip(), _name_processor(), " ".join(extensions), *steered)
    return ", ".join(part for part in parts if part)


def list_differences(libraries: dict[str, str]) -> str:
    """Write which versions differ from those in use here; empty if none does."""
    here = list_libraries()
    names = sorted(here.keys() | libraries.keys())
    return ", ".join(
        f"{name} {libraries.get(name, 'unknown')} (here is {here.get(name, 'none')})"
        for name in names
        if libraries.get(name) != here.get(name)
    )


def measure_peak_memory() -> float:
    """Return the most memory this process had resident so far, in megabytes.

    Elsewhere than on Linux it is what it has now.
    """
    try:
        # Not getrusage: on Linux a process inherits the peak of the one that started it.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        import psutil

        return float(psutil.Process().memory_info().rss) / 2**20


def _name_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
