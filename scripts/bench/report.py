"""Figures as text: from the raw measurements (the JSON form) to tables in markdown."""

from statistics import median

from suites import Goal

MIB = 1 << 20
NOISE = 0.10  # share of the processors that others may use before a row is marked


def seconds(samples):
    """Return the wall seconds of all runs."""
    return [sample["seconds"] for sample in samples]


def median_seconds(contender):
    """Return the median wall seconds of a contender."""
    return median(seconds(contender["samples"]))


def median_cpu(contender):
    """Return the median CPU seconds of a contender."""
    return median(sample["user"] + sample["system"] for sample in contender["samples"])


def show_seconds(value):
    """Return seconds with three digits or so."""
    if value < 1:
        return f"{value * 1000:.1f} ms"
    return f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def show_bytes(value):
    """Return bytes in MiB."""
    return f"{value / MIB:.0f} MiB"


def show_figure(kind, value):
    """Return a figure of a goal's kind."""
    shows = {"ratio": lambda v: f"{v:.3g}x", "overhead": lambda v: f"{v:.3g}x", "rate": lambda v: f"{v:,.0f}/s",
             "seconds": show_seconds, "bytes": show_bytes}
    return shows[kind](value)


def show_goal(goal, value):
    """Return floor and reach of a goal and whether the figure keeps to the floor."""
    if goal is None:
        return ""
    goal = Goal(**goal)
    verdict = "met" if goal.met(value) else "**missed**"
    return f"{show_figure(goal.kind, goal.floor)} / {show_figure(goal.kind, goal.reach)}: {verdict}"


def is_noisy(contender, cores):
    """Tell whether others used the processors much while this contender ran, in its median run."""
    shares = [sample["foreign"] / sample["seconds"] / cores for sample in contender["samples"]]
    return median(shares) > NOISE


def goal_figure(suite, contender):
    """Return the figure that a contender's goal is about."""
    goal = contender["goal"]
    if goal and goal["kind"] == "seconds":
        return median_seconds(contender)
    if goal and goal["kind"] == "rate":
        return suite["tasks"] / median_seconds(contender)
    return median_seconds(contender) / median_seconds(suite["contenders"][0])


def table(header, rows):
    """Return a markdown table."""
    lines = [header, ["-"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def time_row(suite, contender, cores):
    """Return a contender's row: its times and the ratio to the first contender's."""
    times = seconds(contender["samples"])
    base = seconds(suite["contenders"][0]["samples"])
    rate = [f"{suite['tasks'] / median(times):,.0f}"] if suite["tasks"] else []
    mark = " (noisy)" if is_noisy(contender, cores) else ""
    return [contender["name"] + mark, show_seconds(median(times)),
            f"{show_seconds(min(times))} - {show_seconds(max(times))}", show_seconds(median_cpu(contender)), *rate,
            f"{median(times) / median(base):.3g}", f"{min(times) / min(base):.3g}",
            show_goal(contender["goal"], goal_figure(suite, contender))]


def time_table(suite, cores):
    """Return the table of a suite's times."""
    rate = ["tasks/s"] if suite["tasks"] else []
    header = ["program", "median", "min - max", "CPU", *rate, "ratio", "of fastest", "floor / reach for"]
    return table(header, [time_row(suite, contender, cores) for contender in suite["contenders"]])


def memory_rows(suite, contender):
    """Return a row for each program of a contender's process tree: its largest peak in any run."""
    peaks = {}
    for sample in contender["samples"]:
        for name, peak in sample["peaks"].items():
            peaks.setdefault(name, []).append(peak)
    goals = suite["memory_goals"]
    return [[contender["name"], name, show_bytes(median(values)), show_bytes(max(values)),
             show_goal(goals.get(name), max(values))] for name, values in sorted(peaks.items())]


def memory_table(suite):
    """Return the table of peak resident memory."""
    rows = [row for contender in suite["contenders"] for row in memory_rows(suite, contender)]
    return table(["run", "process", "median peak", "largest peak", "floor / reach for"], rows)


def commands(suite):
    """Return the commands of a suite, as one would type them."""
    return "\n".join(["```", *(contender["command"] for contender in suite["contenders"]), "```"])


def suite_section(suite, cores):
    """Return everything about one suite."""
    rounds = len(suite["contenders"][0]["samples"])
    parts = [f"## {suite['name']}: {suite['title']}", f"{rounds} rounds, in turn.", time_table(suite, cores)]
    if suite["memory_goals"]:
        parts.append(memory_table(suite))
    sums = {contender["sha256"] for contender in suite["contenders"] if contender["sha256"]}
    if sums:
        parts.append(f"sha256 of every output: `{sums.pop()}`")
    return "\n\n".join([*parts, commands(suite)])


def heading(results):
    """Return what was measured with, and where."""
    machine = results["machine"]
    virtual = ", virtual" if machine["virtual"] else ""
    lines = [
        f"- {results['date']}; {machine['cpu']}, {machine['cores']} cores{virtual}, "
        f"{machine['memory_bytes'] / (1 << 30):.0f} GiB; {machine['system']}, Linux {machine['kernel']}; "
        f"load before {results['load_before']:.2f}",
        *(f"- {name}: {version or 'not there'}" for name, version in results["versions"].items()),
        *(f"- data: {note}" for note in results["data"]["made"]),
        "- Times are wall time from start to exit, of programs in turn on the same files in a warm page cache; "
        "ratio: median / median of the first row; of fastest: the same of the fastest runs. Goals are about medians.",
        "- Commands are given from the project's root; DATA is the folder of the files.",
        f"- noisy: other processes or guests used more than {NOISE:.0%} of the processors meanwhile.",
    ]
    return "\n".join(lines)


def markdown(results):
    """Return the whole report."""
    cores = results["machine"]["cores"]
    sections = [suite_section(suite, cores) for suite in results["suites"]]
    return "\n\n".join([heading(results), *sections]) + "\n"
