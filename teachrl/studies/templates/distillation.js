"use strict";
// What came over from teachers to students: how close they came, why not closer, and the alarm.

const CLOSENESS = [
  { title: "Distance to the teacher", y: "proxy loss", log: true, alarm: true, lines: [["proxy_loss", ""]] },
  { title: "True return", y: "mean return", alarm: true, lines: [["return", ""]] },
  { title: "Covariate shift", y: "agreement with the teacher", share: true,
    lines: [["agreement", "on its own states"], ["teacher_agreement", "on its teacher's"]] },
  { title: "Privilege gap", y: "loss in training", log: true,
    lines: [["seen_loss", "student's view"], ["privileged_loss", "teacher's view"]] },
  { title: "Sureness", y: "entropy", lines: [["entropy", ""]] },
  { title: "Calibration", y: "calibration error", zero: true, lines: [["calibration_error", ""]] },
];
const LINE_DASHES = ["solid", "dot"];

function drawDistillation(data, look) {
  const found = data.distillation;
  if (!found) { section("distillation", false); return; }
  const single = data.kind === "run";
  const labels = data.variants.map((v) => v.label).filter((l) => found.words.some((w) => w.label === l));
  const panels = CLOSENESS.filter((p) => found.bands.some((b) => p.lines.some(([name]) => name === b.name)));
  const alarmed = found.runs.filter((r) => r.alarm !== null);
  const redraw = () => closenessCharts(data, look, labels, panels);
  section("distillation", true,
    single ? el("p", { id: "shortfall" }, minus(found.words[0].text.join(" "))) : el("dl", { id: "shortfall" },
      found.words.map((w) => [el("dt", {}, swatch(look[w.label]), w.label), el("dd", {}, minus(w.text.join(" ")))])),
    note("Measured in validation, but for the privilege gap, which is of training. ", single ? "" : "Lines are means over runs. ",
      alarmed.length ? `Vertical lines: where the alarm was raised${single ? "" : `, in ${plural(alarmed.length, "run")}`}, because the student came closer to its teacher while the return fell.` : "The alarm, that students come closer to their teacher while the return falls, was never raised."),
    single ? null : legend(labels, look, redraw),
    el("div", { class: "panels", id: "distillation-charts" }, panels.map((p) => el("div", { class: "panel" }, el("h3", {}, p.title),
      el("div", { class: "pick" }, p.lines.filter(([, name]) => name).map(([, name], i) => el("span", {}, line({ colour: css("--soft"), dash: LINE_DASHES[i] }), " ", name))),
      el("div", { class: "plot" })))));
  redraw();
}

/** How many powers of ten lines reach over. */
function decades(traces) {
  const values = traces.flatMap((t) => t.y).filter((v) => v !== null);
  return values.length ? Math.log10(Math.max(...values) / Math.min(...values)) : 0;
}

function closenessCharts(data, look, labels, panels) {
  const shown = shownOf(labels, look);
  const single = data.kind === "run";
  const end = Math.max(...data.distillation.runs.flatMap((r) => r.steps));
  document.querySelectorAll("#distillation-charts .plot").forEach((div, i) => {
    const { y, log, alarm, share, zero, lines } = panels[i];
    const traces = [];
    let positive = true;
    lines.forEach(([name, words], k) => {
      for (const b of data.distillation.bands.filter((c) => c.name === name && shown.includes(c.variant))) {
        positive = positive && b.value.every((v) => v === null || v > 0);
        traces.push({ type: "scatter", mode: single ? "lines+markers" : "lines", name: words || y, x: b.x, y: b.value, marker: { size: 5 },
          line: { width: 2.2, color: look[b.variant].colour, dash: lines.length > 1 ? LINE_DASHES[k] : look[b.variant].dash },
          hovertemplate: `%{y:.4g} at %{x:,.0f}<extra>${text(single ? words || y : `${b.variant}${words ? `, ${words}` : ""}, ${plural(b.n, "run")}`)}</extra>` });
      }
    });
    const raised = alarm ? data.distillation.runs.filter((r) => r.alarm !== null && shown.includes(r.variant)) : [];
    plot(div, traces, {
      margin: { l: 56, r: 10, t: 8, b: 42 },
      shapes: raised.map((r) => ({ type: "line", yref: "paper", y0: 0, y1: 1, x0: r.alarm, x1: r.alarm, line: { color: single ? css("--bad") : look[r.variant].colour, width: 1.6, dash: "dash" } })),
      annotations: single && raised.length ? [{ x: raised[0].alarm, yref: "paper", y: 1, text: "alarm", showarrow: false, xanchor: "left", yanchor: "top", font: { size: 12, color: css("--bad") } }] : [],
      xaxis: { title: "student steps", zeroline: false, range: [0, 1.03 * end], nticks: 5 },
      yaxis: { title: y, zeroline: false, ...(log && positive ? { type: "log", exponentformat: "power", dtick: decades(traces) < 3 ? "D2" : 1 } : {}), ...(share ? { tickformat: "~%" } : {}), ...(zero ? { rangemode: "tozero" } : {}) },
    });
  });
}
