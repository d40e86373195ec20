#!/usr/bin/env python3
"""The comparison program in Python: total match_count of every word, sorted by the words' bytes.

usage: peer_python.py OUTPUT PROCESSES FILE...     (plain or .gz)

What a competent person writes with asyncio and a ProcessPoolExecutor: files are read concurrently, in
partitions of 60,000 lines; processes map partitions to {word: total}; results are merged as they complete.
"""

import asyncio
import gzip
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

PARTITION_LINES = 60_000
BAR_WIDTH = 40


def map_partition(lines):
    """Return the totals of one partition's words."""
    totals = {}
    for line in lines:
        word, _, match_count, _ = line.split(b"\t")
        totals[word] = totals.get(word, 0) + int(match_count)
    return totals


def merge_into(totals, partial):
    """Add the totals of a partition to those of all."""
    for word, count in partial.items():
        totals[word] = totals.get(word, 0) + count


class Progress:
    """A bar on stderr, by bytes of the files as they lie on disk."""

    def __init__(self, files):
        self.total = sum(os.path.getsize(file) for file in files) or 1
        self.positions = {}
        self.shown = -1

    def read(self, file, position):
        """Note how far `file` has been read, and redraw when a whole percent has passed."""
        self.positions[file] = position
        percent = 100 * sum(self.positions.values()) // self.total
        if percent != self.shown:
            self.shown = percent
            filled = "#" * (BAR_WIDTH * percent // 100)
            print(f"\r[{filled:<{BAR_WIDTH}}] {percent:3} %", end="", file=sys.stderr, flush=True)


def read_partition(lines):
    """Return the next partition of an open file, empty at its end."""
    return list(islice(lines, PARTITION_LINES))


class Summation:
    """The totals so far, and the pool whose processes map partitions."""

    def __init__(self, pool, processes):
        self.pool = pool
        self.slots = asyncio.Semaphore(4 * processes)  # partitions in memory at a time
        self.totals = {}

    async def add(self, partition):
        """Map one partition in a process and merge its result as soon as it is there."""
        loop = asyncio.get_running_loop()
        merge_into(self.totals, await loop.run_in_executor(self.pool, map_partition, partition))
        self.slots.release()

    async def add_file(self, file, progress):
        """Read a file, partition by partition, while earlier partitions are mapped and merged."""
        with open(file, "rb") as raw:
            lines = gzip.open(raw) if file.endswith(".gz") else raw
            async with asyncio.TaskGroup() as partitions:
                await self.slots.acquire()
                while partition := await asyncio.to_thread(read_partition, lines):
                    partitions.create_task(self.add(partition))
                    progress.read(file, raw.tell())
                    await self.slots.acquire()
                self.slots.release()


async def total(files, processes):
    """Return the totals of all words of all files, which are read concurrently."""
    progress = Progress(files)
    with ProcessPoolExecutor(processes) as pool:
        summation = Summation(pool, processes)
        async with asyncio.TaskGroup() as readers:
            for file in files:
                readers.create_task(summation.add_file(file, progress))
    print(file=sys.stderr)
    return summation.totals


def write(totals, path):
    """Write word TAB total, sorted by the words' bytes."""
    with open(path, "wb") as output:
        output.writelines(b"%s\t%d\n" % (word, totals[word]) for word in sorted(totals))


def main():
    """Total the command line's files."""
    if len(sys.argv) < 4:
        sys.exit("usage: peer_python.py OUTPUT PROCESSES FILE...")
    write(asyncio.run(total(sys.argv[3:], int(sys.argv[2]))), sys.argv[1])


if __name__ == "__main__":
    main()
