"use strict";
// Charts of numbers: learning curves, performance profiles, the causal split, mastery maps, forgetting and transfer.

function drawCurves(data, look) {
  const { axes, metrics, runs } = data.curves;
  if (!metrics.length) {
    section("curves", true, el("p", {}, nothingOf(data, "evaluation during training")));
    return;
  }
  if (!axes.includes(STATE.axis)) STATE.axis = axes[0];
  if (!metrics.includes(STATE.metric)) STATE.metric = metrics.includes(data.plan.metric) ? data.plan.metric : metrics[0];
  const study = data.kind === "study";
  const labels = data.variants.map((v) => v.label).filter((l) => runs.some((r) => r.variant === l));
  const profiles = study && data.profiles ? data.profiles : [];
  const redraw = () => {
    curveChart(data, look, labels);
    if (profiles.length) profileChart(data, look, labels);
  };
  section("curves", true,
    study ? note("Evaluations of the validation suite during training. Lines are means over runs, bands their 95\u00a0% intervals at each point; of more than three variants, only the arms have one. A curve is over the runs that have ended, if any has.", data.variants.some((v) => v.role === "target") ? " Mind that target only trains on the very tasks of that suite." : "") : note("Evaluations of the validation suite during training."),
    el("div", { class: "controls" },
      chooser("metric", metrics.map((m) => [m, metricName(m)]), STATE.metric, (v) => { STATE.metric = v; redraw(); }, "curve-metric"),
      chooser("against", axes.map((a) => [a, AXIS_NAMES[a]]), STATE.axis, (v) => { STATE.axis = v; redraw(); }, "curve-axis"),
      study ? tick("bands", STATE.bands, (v) => { STATE.bands = v; redraw(); }, "curve-bands") : null,
      study ? tick("each run", STATE.eachRun, (v) => { STATE.eachRun = v; redraw(); }, "curve-runs") : null),
    study ? legend(labels, look, redraw) : null,
    el("div", { class: "plot", id: "curve-chart", style: "height:25rem" }),
    profiles.length ? [el("h3", {}, "Performance profiles"),
      note(`The share of runs whose final ${metricName(data.analysis.metric)} is above each value. Bands hold the whole true profile in 95\u00a0% of studies; with few runs they are wide, and drawn for up to three variants.`),
      el("div", { class: "plot", id: "profile-chart", style: "height:20rem" })] : null);
  redraw();
}

function band(x, low, high, colour) {
  return { type: "scatter", mode: "lines", x: [...x, ...[...x].reverse()], y: [...high, ...[...low].reverse()], fill: "toself",
    fillcolor: faded(colour, 0.15), line: { width: 0 }, hoverinfo: "skip" };
}

function curveChart(data, look, labels) {
  const { bands, runs } = data.curves;
  const { axis, metric } = STATE;
  const shown = shownOf(labels, look);
  const end = Math.max(...runs.flatMap((r) => r[axis] || []));
  const drawn = data.kind === "run" ? [] : bands.filter((c) => c.axis === axis && c.metric === metric && shown.includes(c.variant));
  const traces = [];
  for (const b of STATE.bands ? drawn.filter((c) => banded(drawn.length, look[c.variant])) : []) {
    const known = b.x.map((_, i) => i).filter((i) => b.low[i] !== null && b.high[i] !== null);
    if (known.length > 1) traces.push(band(known.map((i) => b.x[i]), known.map((i) => b.low[i]), known.map((i) => b.high[i]), look[b.variant].colour));
  }
  if (STATE.eachRun || data.kind === "run") {
    for (const r of runs.filter((c) => c[axis] && c[metric] && (shown.includes(c.variant) || data.kind === "run"))) {
      traces.push({ type: "scatter", mode: data.kind === "run" ? "lines+markers" : "lines", name: r.variant, x: r[axis], y: r[metric], opacity: data.kind === "run" ? 1 : 0.45,
        line: { width: data.kind === "run" ? 2.2 : 1, color: look[r.variant].colour, dash: look[r.variant].dash }, hovertemplate: `%{y:.4g} at %{x:,.0f}<extra>${text(r.variant)}, seed ${r.seed}</extra>` });
    }
  }
  for (const b of drawn) {
    traces.push({ type: "scatter", mode: "lines", name: b.variant, x: b.x, y: b.value, line: { width: 2.4, color: look[b.variant].colour, dash: look[b.variant].dash },
      hovertemplate: `%{y:.4g} at %{x:,.0f}<extra>${text(b.variant)}, ${plural(b.n, "run")}</extra>` });
  }
  plot(document.getElementById("curve-chart"), traces, {
    xaxis: { title: AXIS_NAMES[axis], range: [0, 1.03 * end], zeroline: false },
    yaxis: { title: metric.includes("/") ? metric : `${metricName(metric)} on validation tasks`, rangemode: isShare(metric) ? "tozero" : "normal", zeroline: false, ...percent(metric) },
  });
}

/** Bands on top of each other say nothing: of many variants, only those of the declared arms are drawn. */
function banded(many, style) { return many <= 3 || style.role === "arm"; }

function percent(metric) { return isShare(metric) ? { tickformat: "~%" } : {}; }

/** Names inside Plotly's texts, which knows some tags. */
function text(words) { return String(words).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"); }

function profileChart(data, look, labels) {
  const traces = [];
  const shown = shownOf(labels, look);
  const drawn = data.profiles.filter((p) => shown.includes(p.variant));
  for (const p of STATE.bands && drawn.length <= 3 ? drawn : []) {
    traces.push(band(p.x, p.low, p.high, look[p.variant].colour));
  }
  for (const p of drawn) {
    traces.push({ type: "scatter", mode: "lines", name: p.variant, x: p.x, y: p.value, line: { width: 2.2, shape: "hv", color: look[p.variant].colour, dash: look[p.variant].dash },
      hovertemplate: `%{y:.0%} of runs above %{x:.4g}<extra>${text(p.variant)}</extra>` });
  }
  plot(document.getElementById("profile-chart"), traces, {
    xaxis: { title: data.analysis.metric.includes("/") ? data.analysis.metric : `${metricName(data.analysis.metric)} on test tasks`, zeroline: false, ...percent(data.analysis.metric) },
    yaxis: { title: "share of runs above", range: [-0.03, 1.03], zeroline: false, tickformat: ".0%" },
  });
}

// The causal split

const PARTS = [["tasks", "which tasks"], ["order", "their order"], ["adaptivity", "adaptivity"], ["gain", "all together"]];

function drawCausal(data) {
  const splits = data.kind === "study" ? data.analysis.splits : [];
  if (!splits.length) { section("causal", false); return; }
  const metric = data.analysis.metric;
  const control = data.plan.control;
  section("causal", true,
    note(`An arm's difference from ${control} is the sum of three parts, each the difference of two kinds of runs. `,
      "Which tasks: the same tasks as the arm gave, their order destroyed, less the control. Their order: the curriculum of another seed's student as it was recorded, less the shuffled one. ",
      "Adaptivity: tasks chosen for this very student, less the recorded curriculum of another. Dots are differences of means over common seeds, bars 95\u00a0% intervals; an interval that holds 0 leaves open whether there is an effect. The four are not corrected for being several: they explain a declared contrast and decide nothing themselves.",
      data.analysis.exploratory ? ` Fewer than ${data.plan.enough} seeds: nothing is concluded from them.` : ""),
    el("div", { class: "plot", id: "causal-chart", style: `height:${6 + 8.2 * splits.length}rem` }),
    splits.map((s) => [el("h3", {}, splitName(s)), el("p", {}, splitWords(s, metric, control, data.plan.enough))]));
  causalChart(splits, metric);
}

function splitName(s) {
  const cell = Object.entries(s.cell).map(([k, v]) => `${k.split(".").pop()} ${v}`).join(", ");
  return cell && !s.variant.includes(cell) ? `${s.variant} (${cell})` : s.variant;
}

/** A difference in words; with fewer than `enough` pairs of runs, without saying which way it is. */
function effect(e, metric, enough) {
  if (e.value === null) return "could not be measured";
  const amount = `${score(e.value, metric, true)}${isShare(metric) ? " points" : ""} ${interval(e, metric, true)}`;
  if (e.low === null || e.high === null || e.n < enough) return amount;
  return `${amount}, ${e.low > 0 ? "above 0" : e.high < 0 ? "below 0" : "not distinguishable from 0"}`;
}

function splitWords(s, metric, control, enough) {
  const told = (e) => effect(e, metric, enough);
  return `The ${metricName(metric)} of ${s.variant} minus that of ${control} is ${told(s.gain)}, over ${plural(s.gain.n, "pair")} of runs. ` +
    `Of that, which tasks it gives, in whatever order: ${told(s.tasks)}. The order it gives them in: ${told(s.order)}. ` +
    `That it chooses them for this very student: ${told(s.adaptivity)}.`;
}

function causalChart(splits, metric) {
  const scale = isShare(metric) ? 100 : 1;
  const traces = [];
  const ticks = [];
  const names = [];
  const lines = [];
  splits.forEach((s, k) => {
    PARTS.forEach(([key, name], j) => {
      const colour = css(key === "gain" ? "--ink" : "--soft");
      const e = s[key];
      const y = -(k * (PARTS.length + 1.1) + j + (key === "gain" ? 0.25 : 0));
      ticks.push(y);
      names.push(splits.length > 1 && key === "tasks" ? `<b>${text(splitName(s))}</b>: ${name}` : name);
      const bars = e.low !== null && e.high !== null ? { error_x: { type: "data", symmetric: false, array: [scale * (e.high - e.value)], arrayminus: [scale * (e.value - e.low)], color: colour, thickness: 2, width: 5 } } : {};
      traces.push({ type: "scatter", mode: "markers", name: key, x: [e.value === null ? null : scale * e.value], y: [y], marker: { size: 11, color: colour, symbol: key === "gain" ? "diamond" : "circle" }, ...bars,
        hovertemplate: `${text(splitName(s))}, ${name}: ${effect(e, metric, Infinity)}<extra></extra>` });
    });
    if (k) lines.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: -(k * (PARTS.length + 1.1)) + 0.9, y1: -(k * (PARTS.length + 1.1)) + 0.9, line: { color: css("--rule"), width: 1 } });
  });
  lines.push({ type: "line", yref: "paper", y0: 0, y1: 1, x0: 0, x1: 0, line: { color: css("--soft"), width: 1.2, dash: "dot" } });
  plot(document.getElementById("causal-chart"), traces, {
    shapes: lines, xaxis: { title: `difference in ${metricName(metric)}${unit(metric, true)}`, zeroline: false },
    yaxis: { tickvals: ticks, ticktext: names, range: [Math.min(...ticks) - 0.8, 0.8], zeroline: false, showgrid: false },
  });
}
