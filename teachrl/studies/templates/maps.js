"use strict";
// Maps of the task space at the end: what is mastered, and what was forgotten and transferred.

function drawMastery(data, look) {
  const maps = data.mastery;
  if (!maps.length) { section("mastery", false); return; }
  const single = data.kind === "run";
  const dims = maps[0].tasks.length;
  const names = data.map.axes.names;
  const again = (name) => (v) => {
    STATE[name] = Number(v);
    drawCurriculum(data, look);
    drawMastery(data, look);
  };
  const axes = dims > 2 && names.length === dims
    ? [chooser("across", names.map((n, i) => [i, n]), STATE.x, again("x")), chooser("up", names.map((n, i) => [i, n]), STATE.y, again("y"))] : [];
  const key = single ? [[colours().scores[5], "mastered"], [colours().scores[0], "not mastered"]].map(([c, n]) => el("span", {}, el("span", { class: "swatch square", style: `background:${c}` }), n))
    : [el("span", { class: "scale" }, "share of runs 0", el("i", { style: `background:${gradient(colours().scores)}` }), "1")];
  section("mastery", true,
    note(single ? "Test tasks that succeed in more than half of their episodes at the end." : "The share of an arm's runs that master each test task at the end: that succeed in more than half of its episodes."),
    el("div", { class: "controls" }, axes, key),
    el("div", { class: "panels", id: "mastery-map" }, maps.map((m) => el("div", { class: "panel" },
      el("h3", {}, el("span", {}, swatch(look[m.variant]), m.variant), el("small", {}, single ? `${m.share.filter((s) => s > 0.5).length} of ${m.share.length} tasks` : plural(m.n, "run"))),
      el("div", { class: dims < 2 ? "plot low" : "plot" })))));
  document.querySelectorAll("#mastery-map .plot").forEach((div, i) => taskMap(div, maps[i], data.map.axes, single ? "mastered" : "share of runs"));
}

/** Test tasks coloured by the share of runs that master them: cells where they form a grid, else dots. */
function taskMap(div, { tasks, share, names }, axes, word) {
  const dims = tasks.length;
  const flat = dims >= 2;
  const x = Math.min(STATE.x, Math.max(0, dims - 1));
  const y = Math.min(STATE.y, Math.max(0, dims - 1));
  const known = axes.names.length === dims;
  const end = (d) => (known ? range(axes.low[d], axes.high[d]) : range(Math.min(...tasks[d]), Math.max(...tasks[d])));
  const name = (d) => (known ? axes.names[d] : `task ${d}`);
  const cells = flat && x !== y ? gridOf(tasks[x], tasks[y], share, names) : null;
  const order = share.map((v, i) => i).sort((a, b) => (dims ? 0 : share[b] - share[a]));
  const pick = (values) => order.map((i) => values[i]);
  const trace = cells ? { ...cells, type: "heatmap", zmin: 0, zmax: 1, colorscale: colourscale(colours().scores), showscale: false, xgap: 1, ygap: 1,
    hovertemplate: `%{text}: ${word} %{z:.3g}<extra></extra>` } : {
    type: "scatter", mode: "markers", x: dims ? pick(tasks[x]) : order.map((_, k) => k + 1), y: flat ? pick(tasks[y]) : pick(share), text: pick(names), customdata: pick(share),
    hovertemplate: `%{text}: ${word} %{customdata:.3g}<extra></extra>`,
    marker: { size: 10, color: pick(share), cmin: 0, cmax: 1, colorscale: colourscale(colours().scores), line: { width: 0.6, color: css("--soft") } } };
  plot(div, [trace], {
    margin: { l: 50, r: 8, t: 6, b: 42 },
    xaxis: dims ? { title: name(x), range: end(x), zeroline: false, showgrid: !cells } : { title: "test episodes, best first", zeroline: false },
    yaxis: flat ? { title: name(y), range: end(y), zeroline: false, showgrid: !cells } : { title: word, range: [-0.06, 1.06], zeroline: false },
  });
}

/** The tasks as a matrix, null if they are not the points of a grid. */
function gridOf(xs, ys, values, names) {
  const across = [...new Set(xs)].sort((a, b) => a - b);
  const up = [...new Set(ys)].sort((a, b) => a - b);
  if (across.length * up.length !== values.length || across.length < 2 || up.length < 2) return null;
  const z = up.map(() => across.map(() => null));
  const text = up.map(() => across.map(() => ""));
  values.forEach((v, i) => {
    z[up.indexOf(ys[i])][across.indexOf(xs[i])] = v;
    text[up.indexOf(ys[i])][across.indexOf(xs[i])] = names[i];
  });
  return z.flat().includes(null) ? null : { x: across, y: up, z, text };
}

// Forgetting and transfer

const MEASURES = {
  forgetting: ["forgetting", "The best score that a cell's validation tasks ever had less their last one: 0 is nothing forgotten. It is never negative, so what evaluations vary by chance counts as forgotten too."],
  forward: ["forward transfer", "What a cell's tasks had gained before the first episode was spent on the cell."],
  backward: ["backward transfer", "What a cell's tasks gained after nine tenths of the cell's episodes had been spent; negative if lost."],
};

function drawTransfer(data, look) {
  const found = data.transfer;
  if (!found || !found.variants.some((v) => Object.keys(MEASURES).some((m) => v[m].n))) { section("transfer", false); return; }
  const metric = data.curves.metrics.includes("success_rate") ? "success_rate" : "mean_return";
  const single = data.kind === "run";
  const told = Object.keys(MEASURES).filter((m) => found.variants.some((v) => v[m].n));
  const untold = Object.keys(MEASURES).filter((m) => !told.includes(m)).map((m) => MEASURES[m][0]).join(" and ");
  if (!told.includes(STATE.measure)) STATE.measure = told[0];
  const columns = [{ name: "variant", style: "name" }, { name: "runs", number: true },
    ...told.map((m) => ({ name: MEASURES[m][0] + unit(metric, true), number: true }))];
  const rows = found.variants.map((v) => [{ node: [swatch(look[v.label]), v.label], key: v.label }, { node: String(v.n), key: v.n },
    ...told.map((m) => ({ node: single ? score(v[m].value, metric, true) : estimate(v[m], metric, true), key: v[m].value }))]);
  section("transfer", true,
    note(`By cells of the task space, ${found.bins} a coordinate, in the ${metricName(metric)} on validation tasks. `, single ? "Means over cells." : "A run is first averaged over its cells; intervals are over runs.",
      " Where no evaluation lies in between, transfer cannot be seen and a cell is left out.", untold ? ` That holds for ${untold} in every cell.` : ""),
    sortable("transfer-table", columns, rows),
    el("div", { class: "controls" }, chooser("map", told.map((m) => [m, MEASURES[m][0]]), STATE.measure, (v) => { STATE.measure = v; drawTransfer(data, look); }, "transfer-measure"),
      el("span", { class: "note" }, MEASURES[STATE.measure][1])),
    el("div", { class: "panels", id: "transfer-map" }, found.variants.map((v) => el("div", { class: "panel" }, el("h3", {}, el("span", {}, swatch(look[v.label]), v.label)), el("div", { class: found.names.length < 2 ? "plot low" : "plot" })))));
  const values = found.variants.flatMap((v) => v.cells[STATE.measure]).filter((v) => v !== null);
  const most = Math.max(1e-9, ...values.map(Math.abs));
  document.querySelectorAll("#transfer-map .plot").forEach((div, i) => cellMap(div, found, found.variants[i].cells[STATE.measure], most, metric));
}

function cellMap(div, { names, low, high, bins }, values, most, metric) {
  const flat = names.length > 1;
  const middle = (d) => Array.from({ length: bins }, (_, k) => low[d] + (k + 0.5) * (high[d] - low[d]) / bins);
  const z = flat ? middle(1).map((_, j) => middle(0).map((__, i) => values[i * bins + j])) : [values];
  const good = STATE.measure === "forgetting" ? [...colours().diverging].reverse() : colours().diverging;
  const ink = (v) => (Math.abs(v) > 0.7 * most && css("--dark") !== "1" ? "#ffffff" : css("--ink"));
  const x = middle(0);
  const y = flat ? middle(1) : [0];
  const annotations = y.flatMap((yv, j) => x.map((xv, i) => ({ x: xv, y: yv, showarrow: false, text: z[j][i] === null ? "·" : score(z[j][i], metric), font: { size: 11.5, color: z[j][i] === null ? css("--faint") : ink(z[j][i]) } })));
  plot(div, [{ type: "heatmap", x, y, z, zmin: -most, zmax: most, colorscale: colourscale(good), showscale: false, xgap: 2, ygap: 2, hoverinfo: "skip" }], {
    annotations, margin: { l: 50, r: 8, t: 6, b: 42 }, xaxis: { title: names[0], zeroline: false, showgrid: false },
    yaxis: flat ? { title: names[1], zeroline: false, showgrid: false } : { title: "", showticklabels: false, ticks: "", zeroline: false, showgrid: false },
  });
}
