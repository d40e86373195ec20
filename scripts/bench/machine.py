"""What a figure was measured on and with."""

import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path


def first_line(command):
    """Return the first line a command prints, or None if it cannot be run."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
    except OSError:
        return None
    lines = done.stdout.strip().splitlines()
    return lines[0] if lines else None


def field_of(file, name):
    """Return the value of `name : value` in a file of /proc, or None."""
    match = re.search(rf"^{name}\s*:\s*(.*)$", Path(file).read_text(), re.MULTILINE)
    return match.group(1) if match else None


def machine():
    """Return the machine's figures."""
    return {
        "cpu": field_of("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in (field_of("/proc/cpuinfo", "flags") or "").split(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
    }


def duckdb_version():
    """Return the version of the installed DuckDB package, or None."""
    try:
        import duckdb
    except ImportError:
        return None
    return duckdb.__version__


def versions(options):
    """Return the versions of all programs that take part."""
    here = Path(__file__).resolve().parent
    return {
        "millrace": first_line([options.millrace, "--version"]),
        "commit": first_line(["git", "-C", str(here), "describe", "--always", "--dirty"]),
        "duckdb": duckdb_version(),
        "python": platform.python_version(),
        "mawk": first_line(["mawk", "-W", "version"]),
        "parallel": first_line(["parallel", "--will-cite", "--version"]),
        "gzip": first_line(["gzip", "--version"]),
    }


def describe_data(data):
    """Return the sizes of the data files, and how they were made."""
    folder = Path(data)
    notes = [folder / "1gram.made", folder / "kernel.version"]
    files = [*folder.glob("1gram-*"), *folder.glob("kernel.txt")]
    return {
        "made": [note.read_text().strip() for note in notes if note.exists()],
        "bytes": {file.name: file.stat().st_size for file in sorted(files)},
    }


def surroundings(options):
    """Return all there is to say about where and when figures were measured."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "load_before": os.getloadavg()[0],
        "machine": machine(),
        "versions": versions(options),
        "data": describe_data(options.data),
    }
