"use strict";
// The curriculum: what was taught in a window of time, how it went, and what was mastered by then, one panel a variant.

const COLOURINGS = { returns: "return", progress: "learning progress", success: "success" };

function drawCurriculum(data, look) {
  const map = data.map;
  const taught = map.runs.some((r) => r.steps.length);
  if (!taught) {
    section("curriculum", true, el("p", {}, nothingOf(data, "episode")));
    return;
  }
  const dims = map.axes.names.length;
  const last = map.edges.length - 1;
  const labels = [...new Set(map.runs.map((r) => r.variant))];
  if (STATE.shown === null) STATE.shown = Object.fromEntries(labels.map((l, i) => [l, i < 6]));
  if (STATE.window === null || STATE.window > last || STATE.follow) STATE.window = STATE.follow ? last : Math.floor(last / 2);
  if (STATE.x >= dims) STATE.x = 0;
  if (STATE.y >= dims) STATE.y = Math.min(1, dims - 1);
  if (STATE.colour === "success" && !map.runs.some((r) => r.success)) STATE.colour = "returns";
  section("curriculum", true, mapIntroduction(data, dims), mapControls(data, labels, dims, look), el("div", { class: "controls", id: "map-key" }),
    el("div", { class: "panels", id: "map" }));
  mapPanels(data, look);
}

function mapIntroduction(data, dims) {
  const { runs, of, most } = data.map;
  const words = [`Points are ${dims ? "the tasks of training episodes" : "training episodes"} that ended in the window of time, at most ${most} of each run.`,
    dims < 2 ? `${dims ? "There is one task coordinate" : "There are no task coordinates"}: the ${dims ? "tasks" : "returns"} of all episodes until then are drawn over time.` : "",
    dims === 0 ? ""
      : "Learning progress is |return − return of the nearest earlier task|, as ALP-GMM defines it, worked out from the episodes for every teacher alike.",
    dims > 0 ? "Rings are validation tasks mastered at the last evaluation before the window's end, crosses those not yet mastered." : "",
    runs.length < of ? `Drawn are ${runs.length} of ${of} runs: the worst, the median and the best of each variant.` : of > 1 ? "All runs are drawn; choose one by its seed." : ""];
  return note(words.filter(Boolean).join(" "));
}

function mapControls(data, labels, dims, look) {
  const { axes, edges } = data.map;
  const redraw = () => mapWindow(data, look);
  const set = (name) => (v) => {
    STATE[name] = Number(v);
    redraw();
    drawMastery(data, look);
  };
  const colours = Object.entries(COLOURINGS).filter(([k]) => (k !== "success" || data.map.runs.some((r) => r.success)) && (k !== "progress" || dims > 0));
  const slider = el("input", { type: "range", id: "window", min: "0", max: String(edges.length - 1), step: "1", value: String(STATE.window),
    "aria-label": "Window of time", oninput: (e) => { STATE.window = Number(e.target.value); redraw(); } });
  const made = [el("div", { class: "controls" },
    el("div", { class: "time" }, el("button", { type: "button", id: "play", onclick: () => play(data, look) }, STATE.playing ? "Pause" : "Play"), slider, el("output", { id: "window-text" }))),
  el("div", { class: "controls" },
    chooser("colour", colours, STATE.colour, (v) => { STATE.colour = v; redraw(); }, "map-colour"),
    dims > 1 ? tick("learning progress underneath", STATE.layer, (v) => { STATE.layer = v; redraw(); }, "map-layer") : null,
    dims > 2 ? chooser("across", axes.names.map((n, i) => [i, n]), STATE.x, set("x"), "map-x") : null,
    dims > 2 ? chooser("up", axes.names.map((n, i) => [i, n]), STATE.y, set("y"), "map-y") : null)];
  if (labels.length > 1) {
    made.push(el("div", { class: "controls" }, el("div", { class: "chips" }, labels.map((l) => tick(l, STATE.shown[l], (v) => { STATE.shown[l] = v; mapPanels(data, look); })))));
  }
  return made;
}

function play(data, look) {
  const button = document.getElementById("play");
  if (STATE.playing) {
    clearInterval(STATE.playing);
    STATE.playing = null;
    button.textContent = "Play";
    return;
  }
  if (STATE.window >= data.map.edges.length - 1) STATE.window = -1;
  const step = () => {
    if (STATE.window >= data.map.edges.length - 1) { play(data, look); return; }
    STATE.window += 1;
    document.getElementById("window").value = String(STATE.window);
    mapWindow(data, look);
  };
  STATE.playing = setInterval(step, 900);
  button.textContent = "Pause";
  step();
}

function mapPanels(data, look) {
  const home = document.getElementById("map");
  home.querySelectorAll(".plot").forEach((p) => Plotly.purge(p));
  const labels = [...new Set(data.map.runs.map((r) => r.variant))].filter((l) => STATE.shown[l]);
  home.replaceChildren(...labels.map((label) => {
    const runs = data.map.runs.filter((r) => r.variant === label);
    if (!runs.some((r) => r.seed === STATE.seeds[label])) STATE.seeds[label] = runs[Math.floor(runs.length / 2)].seed;
    const pick = runs.length > 1
      ? chooser(null, runs.map((r, i) => [r.seed, `seed ${r.seed}${rank(data, label, runs, i)}`]), STATE.seeds[label], (v) => { STATE.seeds[label] = Number(v); mapWindow(data, look); })
      : data.kind === "study" ? el("small", {}, `seed ${runs[0].seed}`) : null;
    return el("div", { class: "panel", "data-variant": label }, el("h3", {}, el("span", {}, swatch(look[label]), label)),
      el("div", { class: "pick" }, pick, el("small", { class: "count" })),
      el("div", { class: "plot" }));
  }));
  mapWindow(data, look);
}

/** Which of a variant's runs this is, where not all are drawn: they come from the worst to the best. */
function rank(data, label, runs, i) {
  const { values } = data.variants.find((v) => v.label === label);
  if (data.map.runs.length >= data.map.of || runs.some((r) => values[r.seed] === undefined)) return "";
  return { 2: [", worst", ", best"], 3: [", worst", ", median", ", best"] }[runs.length]?.[i] || "";
}

function mapWindow(data, look) {
  const { edges } = data.map;
  const from = STATE.window > 0 ? edges[STATE.window - 1] : 0;
  STATE.follow = STATE.window === edges.length - 1 && Boolean(STATE.live);
  document.getElementById("window-text").textContent = `${thousands(from)} to ${thousands(edges[STATE.window])} steps`;
  mapKey(data);
  for (const panel of document.querySelectorAll("#map .panel")) {
    const label = panel.dataset.variant;
    const run = data.map.runs.find((r) => r.variant === label && r.seed === STATE.seeds[label]);
    const n = run.episodes[STATE.window] || 0;
    panel.querySelector(".count").textContent = plural(n, "episode");
    mapPanel(data, run, panel.querySelector(".plot"));
  }
}

function mapKey(data) {
  const dims = data.map.axes.names.length;
  const parts = [];
  if (STATE.colour === "success") {
    parts.push(...[[colours().solved, "success"], [colours().unsolved, "no success"]].map(([c, n]) => el("span", {}, el("span", { class: "swatch", style: `background:${c}` }), n)));
  } else {
    const [low, high] = data.map.limits[STATE.colour];
    parts.push(el("span", { class: "scale" }, COLOURINGS[STATE.colour], " ", num(low, 2), el("i", { style: `background:${gradient(STATE.colour === "progress" ? colours().heat : colours().scores)}` }), num(high, 2)));
  }
  if (STATE.layer && dims > 1) {
    parts.push(el("span", { class: "scale" }, "underneath: mean learning progress ", num(data.map.limits.progress[0], 2), el("i", { style: `background:${gradient(colours().heat)}` }), num(data.map.limits.progress[1], 2)));
  }
  if (dims > 0) parts.push(el("span", {}, el("span", { class: "ring" }), " mastered"), el("span", {}, el("span", { class: "plus" }, "+"), " not mastered"));
  document.getElementById("map-key").replaceChildren(...parts);
}

function markerColours(data, run, rows) {
  if (STATE.colour === "success") {
    return { color: rows.map((i) => (run.success && run.success[i] !== null ? (run.success[i] ? colours().solved : colours().unsolved) : "#999999")) };
  }
  const [cmin, cmax] = data.map.limits[STATE.colour];
  return { color: rows.map((i) => run[STATE.colour][i]), cmin, cmax, colorscale: colourscale(STATE.colour === "progress" ? colours().heat : colours().scores), showscale: false };
}

function range(low, high) {
  const pad = high > low ? (high - low) * 0.04 : Math.abs(high) * 0.05 || 0.5;
  return [low - pad, high + pad];
}

function extent(values) {
  return values.reduce(([low, high], v) => (v === null ? [low, high] : [Math.min(low, v), Math.max(high, v)]), [Infinity, -Infinity]);
}

function rowsOf(run, first, last) {
  const [a, b] = [run.begins[first], run.begins[last + 1]];
  return Array.from({ length: Math.max(0, (b || 0) - (a || 0)) }, (_, k) => a + k);
}

/** Coordinates of episodes or tasks: two task coordinates, or steps and the one coordinate, or steps and return. */
function mapPanel(data, run, div) {
  const { axes, edges, suites } = data.map;
  const dims = axes.names.length;
  const flat = dims >= 2 && run.tasks.length === dims;
  const rows = flat ? rowsOf(run, STATE.window, STATE.window) : rowsOf(run, 0, STATE.window);
  const xs = flat ? run.tasks[STATE.x] : run.steps;
  const ys = flat ? run.tasks[STATE.y] : dims === 1 && run.tasks.length ? run.tasks[0] : run.returns;
  const words = rows.map((i) => [run.tasks.map((c, d) => `${axes.names[d] || `task ${d}`} ${num(c[i])}`).slice(0, 6).join(", "), num(run.returns[i]), num(run.progress[i]), thousands(run.steps[i])]);
  const traces = [{
    type: "scatter", mode: "markers", name: "episodes", x: rows.map((i) => xs[i]), y: rows.map((i) => ys[i]), customdata: words,
    hovertemplate: "%{customdata[0]}<br>return %{customdata[1]}, learning progress %{customdata[2]}<br>at %{customdata[3]} steps<extra></extra>",
    marker: { size: rows.length > 250 ? 5.5 : 7, opacity: 0.85, line: { width: 0.4, color: css("--soft") }, ...markerColours(data, run, rows) },
  }];
  if (flat && STATE.layer) traces.unshift(progressLayer(data, run, rows));
  if (dims > 0 && run.tasks.length) traces.push(...masteryMarks(run, edges[STATE.window], suites, flat));
  plot(div, traces, {
    margin: { l: 50, r: 8, t: 6, b: 42 },
    xaxis: flat ? { title: axes.names[STATE.x], range: range(axes.low[STATE.x], axes.high[STATE.x]), zeroline: false } : { title: AXIS_NAMES.total_steps, range: range(0, edges[edges.length - 1]), zeroline: false },
    yaxis: flat ? { title: axes.names[STATE.y], range: range(axes.low[STATE.y], axes.high[STATE.y]), zeroline: false }
      : dims === 1 ? { title: axes.names[0], range: range(axes.low[0], axes.high[0]), zeroline: false } : { title: "return", range: range(...extent(data.map.runs.flatMap((r) => r.returns))), zeroline: false },
  });
}

function masteryMarks(run, end, suites, flat) {
  const past = run.evaluations.filter((e) => e.steps <= end && e.mastered);
  if (!past.length) return [];
  const seen = past[past.length - 1];
  const suite = suites[seen.suite];
  if (!suite.tasks.length) return [];
  const mark = (wanted, marker, name) => {
    const rows = seen.mastered.map((m, i) => [m, i]).filter(([m]) => m === wanted).map(([, i]) => i);
    return { type: "scatter", mode: "markers", name, x: rows.map((i) => (flat ? suite.tasks[STATE.x][i] : end)), y: rows.map((i) => (flat ? suite.tasks[STATE.y] : suite.tasks[0])[i]),
      text: rows.map((i) => suite.names[i]), hovertemplate: `%{text}: ${name} at ${thousands(seen.steps)} steps<extra></extra>`, marker };
  };
  return [mark(0, { symbol: "cross-thin", size: 7, opacity: 0.75, line: { width: 1.2, color: css("--faint") } }, "not mastered"),
    mark(1, { symbol: "circle-open", size: 13, color: css("--ink"), line: { width: 2 } }, "mastered")];
}

function progressLayer(data, run, rows, bins = 12) {
  const { axes, limits } = data.map;
  const cells = Array.from({ length: bins }, () => Array.from({ length: bins }, () => [0, 0]));
  const place = (v, d) => Math.min(bins - 1, Math.max(0, Math.floor(bins * (v - axes.low[d]) / (axes.high[d] - axes.low[d] || 1))));
  for (const i of rows) {
    const cell = cells[place(run.tasks[STATE.y][i], STATE.y)][place(run.tasks[STATE.x][i], STATE.x)];
    cell[0] += run.progress[i];
    cell[1] += 1;
  }
  const middle = (d) => Array.from({ length: bins }, (_, k) => axes.low[d] + (k + 0.5) * (axes.high[d] - axes.low[d]) / bins);
  return { type: "heatmap", name: "learning progress", x: middle(STATE.x), y: middle(STATE.y), z: cells.map((r) => r.map(([sum, n]) => (n ? sum / n : null))),
    zmin: limits.progress[0], zmax: limits.progress[1], colorscale: colourscale(colours().heat), showscale: false, opacity: 0.6, hoverinfo: "skip" };
}
