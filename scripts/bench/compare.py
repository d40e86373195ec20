#!/usr/bin/env python3
"""Runs Millrace and its peers in turn on the same files and compares times and outputs.

Prints tables in markdown; --json keeps every single figure, --plot draws them.
Usually started by run.sh, which builds the tools and makes the data. Exit status 1 when a command
fails or outputs differ; goals that are missed are marked in the tables, and fail with --strict.
"""

import argparse
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from machine import surroundings
from measure import BenchError, run, sha256, shell_text, warm
from report import goal_figure, markdown
from suites import SUITES, Bench, Goal

ROOT = Path(__file__).resolve().parents[2]


def say(text):
    """Tell the user what goes on."""
    print(text, file=sys.stderr, flush=True)


def remove_output(contender):
    """Remove an earlier output, so that no run can be credited with another's."""
    if contender.output:
        contender.output.unlink(missing_ok=True)


def run_once(suite, contender):
    """Run a contender with a warm cache; return its Sample and the hash of its output."""
    remove_output(contender)
    for file in suite.empty_files:
        file.write_bytes(b"")
    warm(suite.files)
    sample = run(contender.command, watch_memory=bool(suite.memory_goals))
    return sample, sha256(contender.output) if contender.output else None


def check_outputs(suite, sums):
    """Stop when any output of the suite differs from any other, in any round."""
    known = {total: name for name, total in sums if total}
    if len(known) > 1:
        lines = [f"{total} {name}" for total, name in known.items()]
        raise BenchError("\n  ".join([f"{suite.name}: outputs differ", *lines]))


def run_suite(suite, rounds, data):
    """Run all contenders in turn, round by round; return the raw figures in their JSON form."""
    samples = {contender.name: [] for contender in suite.contenders}
    sums = []
    for number in range(1, rounds * suite.rounds_factor + 1):
        for contender in suite.contenders:
            sample, total = run_once(suite, contender)
            samples[contender.name].append(sample.as_dict())
            sums.append((contender.name, total))
            say(f"{suite.name}: round {number}: {contender.name}: {sample.seconds:.3f} s"
                f" (CPU {sample.cpu:.2f} s, others {sample.foreign:.2f} s)")
            check_outputs(suite, sums)
    return raw_figures(suite, samples, dict(sums), data)


def portable(command, data):
    """Return a command as one would type it in the project's root, without this machine's folders."""
    text = shell_text(command)
    return text.replace(f"{data}/", "DATA/").replace(f"{ROOT}/", "")


def raw_figures(suite, samples, sums, data):
    """Return a suite's figures in their JSON form."""
    contenders = [{
        "name": contender.name,
        "command": portable(contender.command, data),
        "goal": asdict(contender.goal) if contender.goal else None,
        "sha256": sums[contender.name],
        "samples": samples[contender.name],
    } for contender in suite.contenders]
    goals = {name: asdict(goal) for name, goal in suite.memory_goals.items()}
    return {"name": suite.name, "title": suite.title, "tasks": suite.tasks, "memory_goals": goals,
            "contenders": contenders}


def select(suite, only, skip):
    """Leave out contenders by name; tell whether any is left."""
    suite.contenders = [contender for contender in suite.contenders
                        if (not only or contender.name in only) and contender.name not in skip]
    return bool(suite.contenders)


def chosen_suites(options):
    """Return the suites asked for, with the contenders asked for."""
    bench = Bench(options)
    suites = [SUITES[name](bench) for name in options.suite]
    return [suite for suite in suites if select(suite, options.only, options.skip)]


def measure(options):
    """Run all suites asked for; return everything measured."""
    Path(options.data, "results").mkdir(parents=True, exist_ok=True)
    results = {**surroundings(options), "rounds": options.rounds, "suites": []}
    for suite in chosen_suites(options):
        results["suites"].append(run_suite(suite, options.rounds, options.data))
        save(results, options)  # what is measured stays, whatever comes
    return results


def save(results, options):
    """Write the raw figures to the file asked for."""
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


def show_commands(options):
    """Print every command that would be run."""
    for suite in chosen_suites(options):
        print(f"# {suite.name}: {suite.title}")
        for contender in suite.contenders:
            print(portable(contender.command, options.data))


def missed_goals(results):
    """Return the names of what kept below its floor."""
    missed = []
    for suite in results["suites"]:
        for contender in suite["contenders"]:
            if contender["goal"] and not Goal(**contender["goal"]).met(goal_figure(suite, contender)):
                missed.append(f"{suite['name']}: {contender['name']}")
            for program, goal in suite["memory_goals"].items():
                peaks = [sample["peaks"].get(program, 0) for sample in contender["samples"]]
                if not Goal(**goal).met(max(peaks)):
                    missed.append(f"{suite['name']}: {program}")
    return missed


def names(text):
    """Return the names of a comma-separated list."""
    return [name for name in text.split(",") if name]


def suite_names(text):
    """Return the suites of a comma-separated list, or all."""
    chosen = list(SUITES) if text == "all" else names(text)
    for name in chosen:
        if name not in SUITES:
            raise argparse.ArgumentTypeError(f"no suite {name}; there are {', '.join(SUITES)}")
    return chosen


def absolute(path):
    """Return a path that does not depend on the working folder."""
    return str(Path(path).resolve())


def parse_options(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=suite_names, default="ngrams-plain,ngrams-gz,python500,wordcount",
                        metavar="LIST", help=f"all, or any of {','.join(SUITES)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often each command runs (default 5)")
    parser.add_argument("--jobs", type=int, default=2, help="threads or processes of every program (default 2)")
    parser.add_argument("--data", type=absolute, default=str(ROOT / "build/bench/data"), metavar="DIR",
                        help="where the files are")
    parser.add_argument("--millrace", default=str(ROOT / "build/release/coordinator/millrace"), metavar="PATH")
    parser.add_argument("--kernel-loop", default=str(ROOT / "build/release/tests/bench/kernel_loop"), metavar="PATH")
    parser.add_argument("--wordcount-args", default="", metavar="ARGS",
                        help="more arguments for `millrace run wordcount`, so that its words are the peer's; "
                             "with a = when they begin with a dash")
    parser.add_argument("--only", type=names, default=[], metavar="LIST", help="only these programs")
    parser.add_argument("--skip", type=names, default=[], metavar="LIST", help="not these programs, e.g. python")
    parser.add_argument("--dry-run", action="store_true", help="only print the commands")
    parser.add_argument("--json", metavar="FILE", help="write the raw figures")
    parser.add_argument("--from-json", metavar="FILE", help="measure nothing: report on figures written before")
    parser.add_argument("--plot", metavar="FILE.svg", help="draw a bar plot")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a floor is missed")
    return parser.parse_args(arguments)


def report(results, options):
    """Write the tables and the plot."""
    print(markdown(results), end="")
    if options.plot:
        from plot import plot

        plot(results, options.plot)


def main():
    """Measure or load, report, and judge."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("compare.py: terminated"))
    options = parse_options(sys.argv[1:])
    if options.dry_run:
        show_commands(options)
        return
    try:
        results = json.loads(Path(options.from_json).read_text()) if options.from_json else measure(options)
    except BenchError as error:
        sys.exit(f"compare.py: error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    report(results, options)
    missed = missed_goals(results)
    if options.strict and missed:
        sys.exit("compare.py: floors missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
