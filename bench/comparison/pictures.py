"""The figures as SVG, the same bytes for the same figures."""
import os

from comparison import tables

COLOURS = {"backstay": "#0b6e4f", "restic": "#7a8fa6", "borg": "#b5a27f", "tar": "#c9c9c9",
           "cp": "#dddddd", "casync": "#a3a3c2", "bup": "#c2a3b5", "duplicity": "#9fb8b0"}
STEP_TITLES = {"first": "first backup", "next": "later generations",
               "again": "again, nothing changed", "restore": "restore",
               "check": "read and check all",
               "prune": "forget all but the last, free space"}


def load():
    """Matplotlib, or nothing where it is not installed."""
    try:
        os.environ.setdefault("MPLBACKEND", "svg")
        import matplotlib
        import matplotlib.pyplot
    except ImportError:
        return None
    matplotlib.rcParams.update({"svg.hashsalt": "backstay", "svg.fonttype": "none", "font.size": 9,
                                "font.family": "sans-serif", "axes.spines.top": False,
                                "axes.spines.right": False})
    return matplotlib.pyplot


def draw(results, out):
    """The names of the files that were made."""
    plot = load()
    if not plot:
        return []
    made = []
    corpora = tables.measured_corpora(results)
    if not corpora:
        return []
    main = "M" if "M" in corpora else corpora[0]
    for name, figure in (("compare-steps.svg", steps_figure(plot, results, main)),
                         ("compare-sizes.svg", sizes_figure(plot, results, corpora))):
        figure.savefig(out / name, format="svg", metadata={"Date": None, "Creator": None},
                       facecolor="white")
        plot.close(figure)
        # Matplotlib leaves white space at the ends of lines.
        lines = (out / name).read_text(encoding="utf-8").splitlines()
        (out / name).write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")
        made.append(name)
    return made


def bars(axes, results, values, unit):
    names = [results["tools"][key]["title"] for key in values]
    drawn = axes.bar(range(len(values)), list(values.values()), width=0.75,
                     color=[COLOURS.get(key, "#5aa58a") for key in values])
    axes.bar_label(drawn, labels=[label(value) for value in values.values()], fontsize=8, padding=1)
    axes.set_xticks(range(len(values)), names, rotation=40, ha="right", fontsize=8)
    axes.set_ylabel(unit, fontsize=8)
    axes.tick_params(axis="y", labelsize=7)
    axes.margins(y=0.15)


def label(value):
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def steps_figure(plot, results, corpus):
    """A column a step; wall time above, processor time below; each with its own scale."""
    tools = results["summary"][corpus]
    steps = tables.present_steps(tools)
    figure, grid = plot.subplots(2, len(steps), figsize=(2.6 * len(steps) + 0.6, 5.6),
                                 squeeze=False)
    for column, step in enumerate(steps):
        for row, (what, unit) in enumerate((("wall_s", "seconds"), ("cpu_s", "processor seconds"))):
            values = {key: entry["steps"][step][what]["median"] for key, entry in tools.items()
                      if step in entry["steps"]}
            bars(grid[row][column], results, values, unit if column == 0 else "")
        grid[0][column].set_title(STEP_TITLES[step], fontsize=10)
    figure.suptitle(f"{results['corpora'][corpus]['title']}: shorter is better", fontsize=11)
    figure.tight_layout()
    return figure


def sizes_figure(plot, results, corpora):
    """A panel a corpus: the repository after the first backup, and what later generations added."""
    columns = min(4, len(corpora))
    rows = -(-len(corpora) // columns)
    figure, grid = plot.subplots(rows, columns, figsize=(3.0 * columns + 0.6, 3.0 * rows + 0.3),
                                 squeeze=False)
    panels = [axes for row in grid for axes in row]
    for axes, corpus in zip(panels, corpora):
        summary = results["summary"][corpus]
        most = max(len(entry["repository_bytes"]) for entry in summary.values())
        tools = {key: entry for key, entry in summary.items()
                 if key != "cp" and len(entry["repository_bytes"]) == most > 0}
        last = {key: entry["repository_bytes"][-1] / 1e6 for key, entry in tools.items()}
        bars(axes, results, last, "MB")
        grown = [key for key, entry in tools.items() if len(entry["repository_bytes"]) > 1]
        first = [tools[key]["repository_bytes"][0] / 1e6 if key in grown else 0 for key in tools]
        axes.bar(range(len(tools)), first, width=0.75, color="none", edgecolor="white", hatch="//")
        axes.set_title(results["corpora"][corpus]["title"], fontsize=9, wrap=True)
    for axes in panels[len(corpora):]:
        axes.set_visible(False)
    figure.suptitle("Size of the repository after all backups (hatched: after the first)",
                    fontsize=11)
    figure.tight_layout()
    return figure
