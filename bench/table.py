"""Results of several runs as one line each."""

import statistics

RATES = ("publish_per_second", "end_to_end_per_second", "megabytes_per_second")


def summary(runs):
    """The run as it was asked for, with the median of each rate and how far the runs lie apart."""
    kept = ("system", "setting", "version", "messages", "size_bytes", "fsync")
    result = {key: runs[0][key] for key in kept if key in runs[0]}
    for rate in RATES:
        result[rate] = statistics.median(run[rate] for run in runs)
    rates = [run["end_to_end_per_second"] for run in runs]
    result["spread"] = round((max(rates) - min(rates)) / statistics.median(rates), 3)
    result["runs"] = runs
    return result


def add_ratios(results):
    """To each, how many times as fast Sluice was."""
    sluice = next((r for r in results if r["system"] == "sluice"), None)
    for result in results:
        if sluice and result is not sluice and result["end_to_end_per_second"]:
            ratio = sluice["end_to_end_per_second"] / result["end_to_end_per_second"]
            result["sluice_ratio"] = round(ratio, 2)


def number(value):
    return f"{value:,.0f}"


def row(result):
    ratio = result.get("sluice_ratio")
    return (
        " ".join(filter(None, (result["system"], result.get("version")))),
        result.get("setting", ""),
        number(result["messages"]),
        number(result["publish_per_second"]),
        number(result["end_to_end_per_second"]),
        f"{result['megabytes_per_second']:,.1f}",
        f"{result['spread']:.0%}",
        "" if ratio is None else f"{ratio:,.2f}" if ratio < 10 else f"{ratio:,.0f}",
    )


def text(results):
    head = ("system", "setting", "messages", "published/s", "end to end/s", "MB/s", "spread",
            "Sluice/it")
    rows = [head, *map(row, results)]
    widths = [max(len(line[i]) for line in rows) for i in range(len(head))]
    lines = []
    for line in rows:
        cells = [cell.ljust(width) if i < 2 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
