"""Runs a command and measures it: time, CPU time, memory, what else ran meanwhile."""

import hashlib
import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

BLOCK = 1 << 20
TICKS = os.sysconf("SC_CLK_TCK")
MEMORY_INTERVAL = 0.005


class BenchError(Exception):
    """A measurement that must not be used; the message says why."""


@dataclass
class Sample:
    """What one run of a command took."""

    seconds: float
    user: float
    system: float
    foreign: float  # CPU seconds of all other processes and of other guests, meanwhile
    max_rss: int  # bytes, of the largest process that the command waited for
    peaks: dict = field(default_factory=dict)  # bytes, largest by program name, if asked for

    @property
    def cpu(self):
        """CPU seconds of the command and its children."""
        return self.user + self.system

    def as_dict(self):
        """Return a form fit for JSON."""
        return asdict(self)


def shell_text(command):
    """Return the command as one would type it."""
    return shlex.join(str(word) for word in command)


def warm(files):
    """Read files once, so that the page cache has them.

    Done before every run, not once: some systems take pages back that nobody read for a minute.
    """
    buffer = bytearray(BLOCK)
    for file in files:
        with open(file, "rb", buffering=0) as stream:
            while stream.readinto(buffer):
                pass


def sha256(file):
    """Return the SHA-256 of a file's bytes."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def busy_seconds():
    """Return the CPU seconds used on this machine so far, by anyone, with those stolen by other guests."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / TICKS


def descendants(pid):
    """Return the process and all processes below it that are alive."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                pass
    return found


def peak_memory(pid):
    """Return a process's program name and its peak resident bytes so far, or None if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    if "VmHWM" not in fields:
        return None
    return fields["Name"].strip(), int(fields["VmHWM"].split()[0]) * 1024


class MemoryWatch:
    """Samples the kernel's own high-water marks of a process tree, in a thread, until told to stop."""

    def __init__(self, pid):
        self.pid = pid
        self.peaks = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        """Sample until stopped."""
        while not self.stopping.wait(MEMORY_INTERVAL):
            for name, peak in filter(None, map(peak_memory, descendants(self.pid))):
                self.peaks[name] = max(peak, self.peaks.get(name, 0))

    def stop(self):
        """End the sampling and return the largest peak for each program name."""
        self.stopping.set()
        self.thread.join()
        return self.peaks


def failure(command, status, errors):
    """Return the error for a command that failed, with the end of what it said."""
    errors.seek(0)
    said = errors.read().decode(errors="replace").replace("\r", "\n").strip().splitlines()[-10:]
    what = f"exit status {status}" if status >= 0 else f"signal {-status}"
    return BenchError("\n  ".join([f"{what}: {shell_text(command)}", *said]))


def start(command, errors):
    """Start a command in a process group of its own, its messages going to the file `errors`."""
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                                process_group=0)
    except OSError as error:
        raise BenchError(f"cannot start {shell_text(command)}: {error.strerror}") from error


def wait(process):
    """Wait for a process's end; return its exit status (a signal negative) and its resource usage.

    When the wait is interrupted, the process and all it started are ended too.
    """
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage


def run(command, watch_memory=False):
    """Run a command to its end and return its Sample; a failure of the command is a BenchError."""
    with tempfile.TemporaryFile() as errors:
        busy, begin = busy_seconds(), time.perf_counter()
        process = start(command, errors)
        watch = MemoryWatch(process.pid) if watch_memory else None
        try:
            status, usage = wait(process)
            seconds, busy = time.perf_counter() - begin, busy_seconds() - busy
        finally:
            peaks = watch.stop() if watch else {}
        if status != 0:
            raise failure(command, status, errors)
    foreign = max(0.0, busy - usage.ru_utime - usage.ru_stime)
    return Sample(seconds, usage.ru_utime, usage.ru_stime, foreign, usage.ru_maxrss * 1024, peaks)
