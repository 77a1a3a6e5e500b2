"""Bars, as an SVG that reads on light and dark pages."""

from collections.abc import Sequence
from html import escape

WIDTH, LABEL, VALUE, BAR, GAP = 760, 210, 90, 18, 8
OURS, OTHERS = "#2f81f7", "#8b949e"


def bars(charts: Sequence[tuple[str, Sequence[tuple[str, float, str, bool]]]]) -> str:
    """Charts below each other: a heading, and for each bar its label, value, that in words, and whether it is ours."""
    lines: list[str] = []
    y = 10
    for heading, rows in charts:
        y += 22
        lines.append(f'<text x="0" y="{y}" font-weight="600" font-size="14">{escape(heading)}</text>')
        y += 10
        most = max((value for _, value, _, _ in rows), default=1)
        for label, value, words, ours in rows:
            length = max(1.0, value / most * (WIDTH - LABEL - VALUE))
            fill = OURS if ours else OTHERS
            lines += [
                f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>',
                f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{fill}"/>',
                f'<text x="{LABEL + length + 6:.1f}" y="{y + 13}">{escape(words)}</text>',
            ]
            y += BAR + GAP
        y += 8
    style = "text{font:12px sans-serif;fill:#57606a}@media(prefers-color-scheme:dark){text{fill:#c9d1d9}}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}">'
    return "\n".join([head, f"<style>{style}</style>", *lines, "</svg>"]) + "\n"
