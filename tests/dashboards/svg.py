"""A dashboard as a picture: panels drawn from series in SVG, near enough to what Grafana shows."""

import html
import math
import time

COLUMN, LINE, GAP = 60, 30, 6  # a grid cell of Grafana in pixels, and what stays free of it
WIDTH = 24 * COLUMN
COLOURS = ["#73bf69", "#5794f2", "#f2cc0c", "#ff9830", "#f2495c", "#b877d9", "#37872d", "#1f60c4",
           "#e0b400", "#fa6400", "#c4162a", "#8f3bb8"]
INK, FAINT, PANEL, PAGE, GRID = "#d8d9da", "#9a9b9e", "#181b1f", "#111217", "#2c3235"
NAMED = {"green": "#73bf69", "yellow": "#f2cc0c", "red": "#f2495c"}
LEGENDS_MAX = 8


def number(value, unit):
    """A value as Grafana's unit of that name would be written."""
    if value is None or math.isnan(value):
        return "-"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        if value == 0:
            return "0 s"
        for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms")):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return f"{value * 1e6:.3g} µs"
    if unit == "bytes":
        for power, name in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
            if abs(value) >= 1024 ** power:
                return f"{value / 1024 ** power:.3g} {name}"
        return f"{value:.3g} B"
    suffix = "/s" if unit == "cps" else ""
    for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size and unit != "none":
            return f"{value / size:.3g} {name}{suffix}"
    return f"{value:.10g}{suffix}" if value == int(value) else f"{value:.3g}{suffix}"


def text(x, y, words, size=12, colour=INK, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
            f'text-anchor="{anchor}" font-weight="{weight}">{html.escape(str(words))}</text>')


def box(x, y, width, height, colour=PANEL):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" '
            f'fill="{colour}"/>')


def line(points, colour, width=1.5, dash=""):
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"'
            + (f' stroke-dasharray="{dash}"' if dash else "") + "/>")


def area(points, base, colour, opacity):
    """From a line down to another one, or to a height."""
    below = base if isinstance(base, list) else [(points[0][0], base), (points[-1][0], base)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points + below[::-1])
    return f'<polygon points="{path}" fill="{colour}" fill-opacity="{opacity}"/>'


def round_up(value):
    """The next number of the kind 1, 2, 5 times a power of ten."""
    if value <= 0:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if value <= step * power * 1.0001)


def runs(points, step):
    """The stretches of a series without a gap or a NaN."""
    found, last = [], None
    for at, value in points:
        if math.isnan(value):
            last = None
            continue
        if last is None or at - last > 2.5 * step:
            found.append([])
        found[-1].append((at, value))
        last = at
    return found


class Frame:
    """The part of a panel that a course over time is drawn in."""

    def __init__(self, x, y, width, height, times, top):
        self.x, self.y, self.width, self.height = x, y, width, height
        self.begin, self.end = times
        self.top = top

    def point(self, at, value):
        return (self.x + self.width * (at - self.begin) / (self.end - self.begin),
                self.y + self.height * (1 - min(max(value, 0), self.top) / self.top))

    def axes(self, unit):
        for quarter in range(5):
            value = self.top * quarter / 4
            _, y = self.point(self.begin, value)
            yield line([(self.x, y), (self.x + self.width, y)], GRID, 1)
            yield text(self.x - 6, y + 4, number(value, unit), 10, FAINT, "end")
        for third in range(4):
            at = self.begin + (self.end - self.begin) * third / 3
            x, _ = self.point(at, 0)
            anchor = {0: "start", 3: "end"}.get(third, "middle")
            yield text(x, self.y + self.height + 14, time.strftime("%H:%M:%S", time.gmtime(at)),
                       10, FAINT, anchor)


def stacked(series):
    """Each series with those before it below."""
    sums, made = {}, []
    for legend, points in series:
        course = []
        for at, value in points:
            sums[at] = sums.get(at, 0) + (0 if math.isnan(value) else value)
            course.append((at, sums[at]))
        made.append((legend, course))
    return made


def draw_series(panel, place, series, times, step):
    """`series` are pairs of a legend and points."""
    x, y, width, height = place
    defaults = panel["fieldConfig"]["defaults"]
    stack = "stacking" in defaults["custom"]
    if stack:
        series = stacked(series)
    values = [value for _, points in series for _, value in points if not math.isnan(value)]
    top = round_up(max(values, default=0))
    frame = Frame(x + 62, y + 30, width - 76, height - 84, times, top)
    yield from frame.axes(defaults["unit"])
    limits = [one for one in defaults.get("thresholds", {}).get("steps", []) if one["value"]]
    for limit in limits:
        if limit["value"] <= top:
            _, at = frame.point(times[0], limit["value"])
            yield line([(frame.x, at), (frame.x + frame.width, at)], NAMED[limit["color"]], 1,
                       "6 4")
    order = list(enumerate(series))
    for rank, (_, points) in reversed(order) if stack else order:
        colour = COLOURS[rank % len(COLOURS)]
        for run in runs(points, step):
            drawn = [frame.point(at, value) for at, value in run]
            if len(drawn) == 1:
                drawn.append((drawn[0][0] + 1, drawn[0][1]))
            yield area(drawn, frame.y + frame.height, colour, 0.35 if stack else 0.08)
            yield line(drawn, colour)
    left, row = x + 12, 0
    for rank, (legend, _) in enumerate(series[:LEGENDS_MAX]):
        space = 30 + 6.2 * len(legend)
        if left + space > x + width and left > x + 12:
            left, row = x + 12, row + 1
        if row > 1:
            break
        at = y + height - 28 + 15 * row
        yield box(left, at - 4, 12, 3, COLOURS[rank % len(COLOURS)])
        yield text(left + 17, at + 1, legend, 11, FAINT)
        left += space


def draw_stat(panel, place, series, times, step):
    x, y, width, height = place
    defaults = panel["fieldConfig"]["defaults"]
    points = [point for _, points in series for point in points if not math.isnan(point[1])]
    last = points[-1][1] if points else None
    colour = NAMED["green"]
    for one in defaults["thresholds"]["steps"]:
        if one["value"] is not None and last is not None and last >= one["value"]:
            colour = NAMED[one["color"]]
    if points:
        top = max(value for _, value in points) or 1
        frame = Frame(x, y + height * 0.6, width, height * 0.4, times, top)
        for run in runs(points, step):
            if len(run) > 1:
                drawn = [frame.point(at, value) for at, value in run]
                yield area(drawn, y + height, colour, 0.15)
                yield line(drawn, colour, 1)
    shown = number(last, defaults["unit"])
    for mapping in defaults.get("mappings", []):
        if last is not None:
            shown = mapping["options"].get(f"{last:g}", {}).get("text", shown)
    yield text(x + width / 2, y + height * 0.66, shown, 30, colour, "middle", "bold")


def draw_table(panel, place, headings, rows):
    """`rows` of strings."""
    x, y, width, height = place
    column = (width - 24) / max(len(headings), 1)
    for rank, heading in enumerate(headings):
        yield text(x + 12 + rank * column, y + 46, heading, 12, "#6e9fff", weight="bold")
    for number_of, row in enumerate(rows[:int((height - 60) / 22)]):
        at = y + 70 + 22 * number_of
        yield line([(x + 8, at - 16), (x + width - 8, at - 16)], GRID, 1)
        for rank, cell in enumerate(row):
            yield text(x + 12 + rank * column, at, cell)


def place_of(panel):
    grid = panel["gridPos"]
    return (grid["x"] * COLUMN + GAP / 2, grid["y"] * LINE + 50 + GAP / 2,
            grid["w"] * COLUMN - GAP, grid["h"] * LINE - GAP)


def page(title, dashboard, drawings):
    """`drawings` are pairs of a panel and what is drawn on it."""
    height = 60 + LINE * max(one["gridPos"]["y"] + one["gridPos"]["h"]
                             for one in dashboard["panels"])
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
             f'width="{WIDTH}" height="{height}" font-family="Helvetica, Arial, sans-serif">',
             box(0, 0, WIDTH, height, PAGE), text(12, 32, title, 20, weight="bold")]
    for panel, drawing in drawings:
        x, y, width, tall = place_of(panel)
        if panel["type"] == "row":
            parts.append(text(x + 6, y + 18, panel["title"], 15, weight="bold"))
            continue
        parts += [box(x, y, width, tall), text(x + 10, y + 19, panel["title"], 13), *drawing]
    return "\n".join([*parts, "</svg>"]) + "\n"
