"""Medians over the rounds, ratios, and which figures are not to be trusted."""
import statistics

STEPS = ("first", "next", "again", "restore", "check", "prune")


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarize(results):
    """{corpus: {tool: {"steps": {step: {"wall_s", "cpu_s", "peak_bytes"}}, "repository_bytes":
    [...], "peak_bytes", "flags"}}}. The later generations of a round count as one step, their
    times added up."""
    summary = {}
    for corpus, facts in results["corpora"].items():
        rows = [row for row in results["measurements"] if row["corpus"] == corpus]
        tools = list(dict.fromkeys(row["tool"] for row in rows))
        summary[corpus] = {tool: of_tool([row for row in rows if row["tool"] == tool], facts,
                                         results["tools"].get(tool, {})) for tool in tools}
    return summary


def of_tool(rows, facts, tool):
    steps = {}
    for step in STEPS:
        rounds = {}
        for row in rows:
            if row["step"] == step:
                rounds.setdefault(row["round"], []).append(row)
        if not rounds:
            continue
        steps[step] = {
            "wall_s": spread([sum(row["wall_s"] for row in one) for one in rounds.values()]),
            "cpu_s": spread([sum(row["cpu_s"] for row in one) for one in rounds.values()]),
            "peak_bytes": spread([max(row["peak_bytes"] for row in one)
                                  for one in rounds.values()])}
    sizes = {}
    for row in rows:
        if row["step"] in ("first", "next"):
            sizes.setdefault(row["generation"], []).append(row["repository_bytes"])
    repository = [int(statistics.median(sizes[generation])) for generation in sorted(sizes)]
    entry = {"steps": steps, "repository_bytes": repository,
             "peak_bytes": max((step["peak_bytes"]["median"] for step in steps.values()),
                               default=0)}
    entry["flags"] = flags(entry, facts, tool, rows)
    return entry


def flags(entry, facts, tool, rows):
    found = []
    if any(row["exit"] != 0 for row in rows):
        found.append("some files could not be read")
    plain, packed = facts["tar_bytes"], facts["tar_zstd_bytes"]
    if entry["repository_bytes"] and packed and tool.get("stores", True):
        size = entry["repository_bytes"][0]
        if size > 1.05 * plain:
            found.append("stored more than tar")
        elif packed < 0.9 * plain and size > (plain + packed) / 2:
            found.append("did not compress")
    return found


def ratio(ours, theirs):
    return ours / theirs if theirs else None


def ratios(tools, of="backstay"):
    """Backstay divided by each rival: below 1 is better. {rival: {(step, what): ratio}}"""
    if of not in tools:
        return {}
    found = {}
    for rival, entry in tools.items():
        if rival.startswith(of):
            continue
        row = {}
        for step, figures in tools[of]["steps"].items():
            if step in entry["steps"]:
                for what in ("wall_s", "cpu_s"):
                    row[step, what] = ratio(figures[what]["median"],
                                            entry["steps"][step][what]["median"])
        ours, theirs = tools[of]["repository_bytes"], entry["repository_bytes"]
        if ours and theirs:
            row["size", "first"] = ratio(ours[0], theirs[0])
        if len(ours) > 1 and len(theirs) == len(ours):
            row["size", "all"] = ratio(ours[-1], theirs[-1])
            row["size", "growth"] = ratio(ours[-1] - ours[0], theirs[-1] - theirs[0])
        found[rival] = row
    return found
