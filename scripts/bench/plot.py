"""The bar plot of the comparisons (the only part that needs matplotlib)."""

from report import median_seconds, seconds, show_seconds

OWN_COLOUR = "#1f6f8b"
PEER_COLOUR = "#b9c4c9"
INK = "#333333"
BAR_INCHES = 0.32
TITLE_INCHES = 0.75


def compared(results):
    """Return the suites in which programs are compared on the same output."""
    names = ("ngrams-plain", "ngrams-gz", "python500", "wordcount")
    return [suite for suite in results["suites"] if suite["name"] in names and len(suite["contenders"]) > 1]


def label(contender, base):
    """Return the text behind a bar."""
    middle = median_seconds(contender)
    return f" {show_seconds(middle)}" + ("" if middle == base else f"  ({middle / base:.1f}x)")


def draw_suite(axes, suite):
    """Draw one suite: a bar for each program, whiskers from its fastest to its slowest run."""
    contenders = suite["contenders"]
    base = median_seconds(contenders[0])
    for place, contender in enumerate(contenders):
        middle, times = median_seconds(contender), seconds(contender["samples"])
        axes.barh(place, middle, 0.7, color=PEER_COLOUR if place else OWN_COLOUR,
                  xerr=[[middle - min(times)], [max(times) - middle]], error_kw={"ecolor": INK, "elinewidth": 0.8})
        axes.text(max(times), place, label(contender, base), va="center", color=INK, fontsize=9)
    longest = max(max(seconds(contender["samples"])) for contender in contenders)
    axes.set_xlim(0, longest * 1.25)
    axes.set_yticks(range(len(contenders)), [contender["name"] for contender in contenders])
    axes.invert_yaxis()
    axes.set_title(suite["title"], loc="left", fontsize=10, color=INK)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(left=False, bottom=False, labelbottom=False, labelcolor=INK)


def plot(results, file):
    """Write the plot; its text stays text, and the same figures give the same bytes."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "millrace", "font.family": "sans-serif"})
    from matplotlib import pyplot

    suites = compared(results)
    if not suites:
        raise SystemExit("compare.py: nothing to plot: no suite compares programs")
    heights = [TITLE_INCHES + BAR_INCHES * len(suite["contenders"]) for suite in suites]
    figure, grid = pyplot.subplots(len(suites), 1, figsize=(8, sum(heights)), squeeze=False, layout="constrained",
                                   gridspec_kw={"height_ratios": heights})
    for axes, suite in zip(grid[:, 0], suites):
        draw_suite(axes, suite)
    figure.supxlabel("seconds, median of the rounds; whiskers: fastest and slowest; shorter is better",
                     fontsize=8, color=INK)
    figure.savefig(file, metadata={"Date": None})
