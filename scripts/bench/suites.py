"""What is compared: the suites, their contenders, their commands and what is expected of them."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
LETTERS = "abc"
MIB = 1 << 20
NOOP_TASKS = 1_000_000


@dataclass
class Goal:
    """What is asked of a figure: the floor, and what to reach for."""

    kind: str  # ratio or rate: at least the floor; overhead (a ratio too), seconds or bytes: at most
    floor: float
    reach: float

    def met(self, figure):
        """Tell whether a figure keeps to the floor."""
        return figure >= self.floor if self.kind in ("ratio", "rate") else figure <= self.floor


@dataclass
class Contender:
    """One command of a suite."""

    name: str
    command: list
    output: Path | None = None  # file whose bytes must be those of the other contenders'
    goal: Goal | None = None


@dataclass
class Suite:
    """Commands that run in turn on the same files; ratios are to the first, mostly Millrace."""

    name: str
    title: str
    contenders: list
    files: list = field(default_factory=list)  # read before every run, so that the cache is warm
    empty_files: list = field(default_factory=list)  # made before every run
    rounds_factor: int = 1  # short runs need more rounds
    tasks: int = 0  # tasks in a run, if it is about tasks per second
    memory_goals: dict = field(default_factory=dict)  # by program name; turns the watch of memory on


class Bench:
    """Builds suites for one set of paths and options."""

    def __init__(self, options):
        self.options = options
        self.data = Path(options.data)
        self.results = self.data / "results"

    def grams(self, suffix=""):
        """Return the 1-gram files, plain or `.gz`."""
        return [self.data / f"1gram-{letter}{suffix}" for letter in LETTERS]

    def output(self, name):
        """Return the path of a contender's output."""
        return self.results / f"{name}.tsv"

    def millrace(self, name, *arguments, threads=None, output=True, **others):
        """Return Millrace as a contender: `millrace run` with these arguments."""
        command = [self.options.millrace, "run", *map(str, arguments)]
        path = self.output(name.replace(" ", "")) if output else None
        if path:
            command += ["-o", str(path), "--overwrite"]
        command += ["-j", str(threads or self.options.jobs)]
        return Contender(name, command, path, **others)

    def ngrams(self, files):
        """Return Millrace's main job on these files."""
        return self.millrace("millrace", "ngrams", *files)

    def duckdb(self, files, goal=None):
        """Return DuckDB on these files."""
        return self.peer("duckdb", [sys.executable, HERE / "peer_duckdb.py"], files, goal)

    def python(self, files, goal=None):
        """Return the Python program on these files."""
        return self.peer("python", [sys.executable, HERE / "peer_python.py"], files, goal)

    def mawk(self, mode, files, goal=None):
        """Return mawk under GNU parallel on these files."""
        return self.peer("mawk+parallel", [HERE / "peer_mawk.sh", mode], files, goal)

    def peer(self, name, program, files, goal):
        """Return a peer, which all take OUTPUT JOBS FILE... after their own words."""
        output = self.output(name)
        return Contender(name, [str(word) for word in [*program, output, self.options.jobs, *files]], output, goal)

    def ngrams_plain(self):
        """Return the main job on plain files."""
        files = self.grams()
        peers = [self.duckdb(files, Goal("ratio", 3, 5)), self.mawk("ngrams", files), self.python(files)]
        return Suite("ngrams-plain", "ngrams, plain files, sorted output", [self.ngrams(files), *peers], files)

    def ngrams_gz(self):
        """Return the main job on .gz files."""
        files = self.grams(".gz")
        peers = [self.duckdb(files, Goal("ratio", 3, 5)), self.mawk("ngrams", files), self.python(files)]
        return Suite("ngrams-gz", "ngrams, .gz files, sorted output", [self.ngrams(files), *peers], files)

    def python500(self):
        """Return the main job on one file, against the Python program."""
        files = self.grams()[:1]
        peer = self.python(files, Goal("ratio", 40, 80))
        return Suite("python500", "ngrams, one plain file", [self.ngrams(files), peer], files)

    def wordcount(self):
        """Return wordcount on the kernel's text."""
        files = [self.data / "kernel.txt"]
        own = self.millrace("millrace", "wordcount", *files, *self.options.wordcount_args.split())
        peer = self.mawk("wordcount", files, Goal("ratio", 4, 10))
        return Suite("wordcount", "wordcount, a kernel's C files", [own, peer], files)

    def kernel_loop(self):
        """Return the whole run against its kernel called in a loop in one process."""
        files = self.grams()
        loop = [self.options.kernel_loop, "-j", str(self.options.jobs), *map(str, files)]
        own = self.millrace("millrace", "ngrams", *files, goal=Goal("overhead", 1.25, 1.1))
        return Suite("kernel-loop", "ngrams: its kernel alone, and the whole run",
                     [Contender("kernel loop", loop), own], files)

    def empty(self):
        """Return runs that have nothing to do: start to exit."""
        nothing = self.results / "empty.txt"
        goal = Goal("seconds", 0.060, 0.025)
        runs = [self.millrace("sum-range 1", "sum-range", 1, output=False, goal=goal),
                self.millrace("ngrams of an empty file", "ngrams", nothing, output=False, goal=goal)]
        return Suite("empty", "an empty run, start to exit", runs, empty_files=[nothing], rounds_factor=4)

    def noop(self):
        """Return tasks that do nothing, through the whole path."""
        own = self.millrace("noop", "noop", "--tasks", NOOP_TASKS, output=False, goal=Goal("rate", 50_000, 200_000))
        return Suite("noop", f"{NOOP_TASKS:,} tasks that do nothing", [own], tasks=NOOP_TASKS)

    def memory(self):
        """Return the main job, watched for memory, next to DuckDB."""
        files = self.grams()
        return Suite("memory", "peak memory, ngrams, plain files", [self.ngrams(files), self.duckdb(files)], files,
                     memory_goals={"millrace": Goal("bytes", 300 * MIB, 120 * MIB)})

    def threads(self):
        """Return the main job with two threads and with one."""
        files = self.grams()
        two = self.millrace("millrace -j 2", "ngrams", *files, threads=2)
        one = self.millrace("millrace -j 1", "ngrams", *files, threads=1, goal=Goal("ratio", 1.8, 2.0))
        return Suite("threads", "ngrams, plain files, two threads and one", [two, one], files)


SUITES = {
    "ngrams-plain": Bench.ngrams_plain,
    "ngrams-gz": Bench.ngrams_gz,
    "python500": Bench.python500,
    "wordcount": Bench.wordcount,
    "kernel-loop": Bench.kernel_loop,
    "empty": Bench.empty,
    "noop": Bench.noop,
    "memory": Bench.memory,
    "threads": Bench.threads,
}
