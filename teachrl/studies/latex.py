"""Tables of a study for LaTeX: booktabs, numbers with their intervals, names that cannot break a document."""

from __future__ import annotations

import math
from collections.abc import Sequence

from teachrl.studies.comparison import EXPLORATORY, Analysis, Contrast, Estimate
from teachrl.studies.outcomes import METRICS

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "]": "{]}", '"': "''", "−": "$-$", "→": r"$\to$",
}  # fmt: skip
SHARES = (METRICS[0], METRICS[2])
NAMES = {"success_rate": "success rate", "mean_return": "mean return", "mastered": "share of tasks mastered"}
"""What the metrics are called."""


def escape(text: str) -> str:
    """Returns any text as LaTeX that prints it, on one line."""
    words = "".join(c for c in " ".join(str(text).split()) if c.isprintable())
    return "".join(_SPECIAL.get(c, c) for c in words).replace("--", "-{}-")  # two hyphens would become a dash


def metric_name(metric: str) -> str:
    """Returns what a metric is called in print."""
    return NAMES.get(metric, metric.replace("_", " "))


def number(value: float, digits: int, signed: bool = False) -> str:
    """Returns a number in mathematics, a dash for one that is not known."""
    if math.isnan(value):
        return "--"
    if math.isinf(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    return f"${text if float(text) else text.lstrip('+-')}$"


def with_interval(found: Estimate, digits: int, signed: bool = False) -> tuple[str, str]:
    """Returns an estimate and its interval, each for a cell."""
    if math.isnan(found.low) or math.isnan(found.high):
        return number(found.value, digits, signed), "--"
    return number(found.value, digits, signed), f"[{number(found.low, digits)}, {number(found.high, digits)}]"


def digits_for(values: Sequence[float]) -> int:
    """Returns how many decimals numbers of this size need: three significant digits of the largest."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=1.0)
    return min(max(2 - math.floor(math.log10(largest)), 0), 4) if largest > 0 else 2


def results_table(analysis: Analysis) -> str:
    """Returns the table of all variants: runs, mean and interquartile mean with their intervals."""
    digits = digits_for([v for s in analysis.summaries for v in s.values.values()])
    rows = []
    for s in analysis.summaries:
        cells = [*with_interval(s.mean, digits), *with_interval(s.iqm, digits)]
        rows.append([escape(s.variant), str(s.mean.n), *cells])
    name = escape(metric_name(analysis.metric))
    caption = f"{name[:1].upper()}{name[1:]} over training runs, with 95\\,\\% intervals. IQM: interquartile mean."
    head = ["", "runs", r"\multicolumn{2}{c}{mean}", r"\multicolumn{2}{c}{IQM}"]
    return _table("l r r@{\\,}l r@{\\,}l", head, rows, caption + _remark(analysis), "tab:results")


def contrasts_table(analysis: Analysis) -> str:
    """Returns the table of the declared contrasts: differences with intervals, p values, probability of improvement."""
    digits = digits_for([c.difference.value for c in analysis.contrasts])
    rows = [_contrast(c, digits) for c in analysis.contrasts]
    head = [
        "",
        "pairs",
        r"\multicolumn{2}{c}{difference}",
        r"$p$",
        r"$p_\mathrm{Holm}$",
        r"\multicolumn{2}{c}{$P(X>Y)$}",
    ]
    caption = (
        f"Declared contrasts of {escape(metric_name(analysis.metric))}: differences of means over paired seeds with "
        "95\\,\\% intervals, sign-flip tests, and the probability that a run of the first is better."
    )
    return _table("l r r@{\\,}l r r r@{\\,}l", head, rows, caption + _remark(analysis), "tab:contrasts")


def _contrast(contrast: Contrast, digits: int) -> list[str]:
    name = f"{escape(contrast.variant)} $-$ {escape(contrast.other)}"
    cells = [*with_interval(contrast.difference, digits, signed=True), _p(contrast.p), _p(contrast.p_holm)]
    return [name, str(contrast.difference.n), *cells, *with_interval(contrast.improvement, 2)]


def _p(value: float) -> str:
    return "$<0.001$" if value < 0.001 else number(value, 3)


def _remark(analysis: Analysis) -> str:
    remarks = []
    if analysis.exploratory:
        remarks.append(f"Exploratory: fewer than {EXPLORATORY} seeds.")
    if analysis.missing:
        remarks.append(f"Trials without results: {analysis.missing}.")
    return "".join(f" {r}" for r in remarks)


def _table(columns: str, head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, label: str) -> str:
    body = "\n".join(f"    {' & '.join(row)} \\\\" for row in rows)
    return (
        "% Needs \\usepackage{booktabs}.\n"
        "\\begin{table*}\n  \\centering\n  \\small\n"
        f"  \\caption{{{caption}}}\n  \\label{{{label}}}\n"
        f"  \\begin{{tabular}}{{@{{}}{columns}@{{}}}}\n    \\toprule\n    {' & '.join(head)} \\\\\n    \\midrule\n"
        f"{body}\n    \\bottomrule\n  \\end{{tabular}}\n\\end{{table*}}\n"
    )
