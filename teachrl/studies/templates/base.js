"use strict";
// Small things that all parts of the page use: elements, numbers as text, colours, and a plot in the page's own look.

const STATE = {
  axis: null, metric: null, eachRun: false, bands: true, lines: {}, measure: "forgetting",
  window: null, colour: "returns", layer: false, x: 0, y: 1, shown: null, seeds: {}, playing: null,
  sorted: {}, open: {},
};
const LIGHT = {
  hues: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7d5ba6", "#6b6b6b"],
  scores: ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"],
  heat: ["#fff3d6", "#fdcf8a", "#f79256", "#d8504d", "#96295f", "#3f0f4b"],
  diverging: ["#a3332c", "#e8a798", "#f4f2ee", "#9ec3e2", "#1f5f99"],
  solved: "#2b7bba", unsolved: "#e08a2e",
};
const DARK = {
  hues: ["#4aa3df", "#f0883e", "#2fbf93", "#d99ac0", "#d9b13b", "#9ad7f7", "#a98bd1", "#a8a8a8"],
  scores: ["#7458b0", "#5a7cc0", "#36a0a6", "#3fc48a", "#9be15d", "#fdf06a"],
  heat: ["#4a3040", "#96295f", "#d8504d", "#f79256", "#fdcf8a", "#fff3d6"],
  diverging: ["#e0665c", "#8c4a45", "#2c2d30", "#44688a", "#6fb0ea"],
  solved: "#5aa9e6", unsolved: "#f0a35a",
};
const DASHES = { arm: "solid", shuffled: "dot", yoked: "dash", target: "longdash", solvable: "dashdot" };
const METRIC_NAMES = { success_rate: "success rate", mean_return: "mean return", mastered: "share of tasks mastered" };
const AXIS_NAMES = { student_steps: "student steps", total_steps: "all environment steps", cpu_seconds: "CPU seconds" };

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.flat(2).filter((c) => c !== null && c !== undefined));
  return made;
}

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function body(id) { return document.querySelector(`#${id} .body`); }

function section(id, present, ...children) {
  document.getElementById(id).hidden = !present;
  if (present) body(id).replaceChildren(...children.flat(2).filter((c) => c));
  else body(id).replaceChildren();
}

function note(...words) { return el("p", { class: "note" }, ...words); }

/** Why there is none of something: it may be in a file that cannot be read. */
function nothingOf(data, what) {
  return data.facts.damage.length ? `No ${what} can be read: some files are damaged, see the end of this page.` : `No ${what} has been written yet.`;
}

function folded(key, summary, ...children) {
  const made = el("details", { open: Boolean(STATE.open[key]) }, el("summary", {}, summary), ...children);
  made.addEventListener("toggle", () => { STATE.open[key] = made.open; });
  return made;
}

function chooser(label, options, value, change, id) {
  const choice = el("select", { onchange: (e) => change(e.target.value) },
    options.map(([key, name]) => el("option", { value: String(key), selected: String(key) === String(value) }, name)));
  if (id) choice.id = id;
  return label === null ? choice : el("label", {}, label, choice);
}

function tick(label, value, change, id) {
  const box = el("input", { type: "checkbox", checked: value, onchange: (e) => change(e.target.checked) });
  if (id) box.id = id;
  return el("label", {}, box, label);
}

// Numbers

function isShare(metric) { return metric !== null && metric !== undefined && (metric === "success_rate" || metric === "mastered" || metric.endsWith("/success")); }

function metricName(metric) { return METRIC_NAMES[metric] || metric.replaceAll("_", " "); }

function num(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e5) return value.toLocaleString("en", { maximumFractionDigits: 0 });
  const text = size >= 100 ? value.toFixed(0) : size === 0 ? "0" : value.toPrecision(digits);
  return (size < 1e-4 && size > 0 ? value.toExponential(1) : text).replace("-", "\u2212");
}

/** A metric's value as text; shares in percent, which the column or the sentence says. */
function score(value, metric, signed = false) {
  if (value === null || value === undefined) return "–";
  const text = isShare(metric) ? (100 * value).toFixed(1).replace(/^-/, "\u2212").replace("\u22120.0", "0.0") : num(value);
  return signed && value > 0 ? `+${text}` : text;
}

/** A unit to put behind a name: shares are told in percent, their differences in percentage points. */
function unit(metric, difference = false) { return isShare(metric) ? (difference ? ", points" : ", %") : ""; }

function interval(estimate, metric, signed = false) {
  if (!estimate || estimate.low === null || estimate.high === null) return "no interval";
  return `[${score(estimate.low, metric, signed)}, ${score(estimate.high, metric, signed)}]`;
}

function estimate(found, metric, signed = false) {
  if (!found || found.value === null) return el("span", { class: "value" }, "–");
  return el("span", {}, el("span", { class: "value" }, score(found.value, metric, signed)), " ",
    el("span", { class: "interval" }, interval(found, metric, signed)));
}

/** Numbers of a sentence with the sign that tables have. */
function minus(words) { return words.replace(/(^|[\s[(])-(?=\d)/g, "$1\u2212"); }

function probability(p) {
  if (p === null || p === undefined) return "–";
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}

function thousands(value) { return Math.round(value).toLocaleString("en"); }

function seconds(value) {
  if (value >= 7200) return `${(value / 3600).toFixed(1)} hours`;
  if (value >= 120) return `${(value / 60).toFixed(1)} minutes`;
  return `${value.toFixed(value < 10 ? 1 : 0)} seconds`;
}

function plural(n, word) { return `${thousands(n)} ${word}${n === 1 ? "" : "s"}`; }

// Looks

function colours() { return css("--dark") === "1" ? DARK : LIGHT; }

function css(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

/** Gives every arm of every cell a hue; the causal controls of an arm share its hue and differ in their dashes. */
function styles(data) {
  const { hues } = colours();
  const keys = [];
  const found = {};
  for (const v of data.variants) {
    const key = ["target", "solvable"].includes(v.role) ? v.label : JSON.stringify([v.arm, v.cell]);
    if (!keys.includes(key)) keys.push(key);
    found[v.label] = { colour: hues[keys.indexOf(key) % hues.length], dash: DASHES[v.role] || "solid", role: v.role };
  }
  return found;
}

function faded(colour, alpha) {
  const n = parseInt(colour.slice(1), 16);
  return `rgba(${n >> 16}, ${(n >> 8) & 255}, ${n & 255}, ${alpha})`;
}

function colourscale(colours) { return colours.map((c, i) => [i / (colours.length - 1), c]); }

function gradient(colours) { return `linear-gradient(to right, ${colours.join(", ")})`; }

function swatch(style) { return el("span", { class: "swatch", style: `background:${style.colour}` }); }

function line(style) {
  const dash = { dot: "2 3", dash: "6 4", longdash: "10 4", dashdot: "7 3 2 3" }[style.dash] || "none";
  return svg("svg", { width: 26, height: 10 },
    svg("line", { x1: 1, y1: 5, x2: 25, y2: 5, stroke: style.colour, "stroke-width": 2.4, "stroke-dasharray": dash }));
}

/** Which of the variants a chart shows: all of a few, else the declared arms, until something else is chosen. */
function shownOf(labels, look, most = 8) {
  return labels.filter((l) => STATE.lines[l] ?? (labels.length <= most || look[l].role === "arm"));
}

/** A legend whose entries switch their lines on and off. */
function legend(labels, look, change) {
  const shown = shownOf(labels, look);
  return el("div", { class: "legend" }, labels.map((label) => el("button", { type: "button", "aria-pressed": String(shown.includes(label)),
    onclick: (e) => {
      STATE.lines[label] = !shownOf(labels, look).includes(label);
      e.currentTarget.setAttribute("aria-pressed", String(STATE.lines[label]));
      change();
    } }, line(look[label]), label)));
}

function axisLook(more = {}) {
  return { gridcolor: css("--grid"), linecolor: css("--rule"), zerolinecolor: css("--rule"), showline: true,
    ticks: "outside", ticklen: 4, tickcolor: css("--rule"), automargin: true, ...more,
    title: { text: more.title || "", standoff: 8, font: { size: 12.5 } } };
}

function plot(div, traces, layout) {
  const { xaxis = {}, yaxis = {}, ...rest } = layout;
  return Plotly.react(div, traces, {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest",
    font: { family: css("--sans"), size: 12, color: css("--ink") }, margin: { l: 52, r: 12, t: 10, b: 44 },
    hoverlabel: { font: { family: css("--sans"), size: 12 } }, ...rest,
    xaxis: axisLook(xaxis), yaxis: axisLook(yaxis),
  }, { displayModeBar: false, responsive: true, displaylogo: false });
}
