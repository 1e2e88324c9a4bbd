"use strict";
// The head of the page and its tables: verdict, plan, results and contrasts.

const QUIET = 60; // seconds without a word after which a run may have been killed

function drawHead(data) {
  document.title = data.title;
  const head = [el("p", { class: "kicker" }, data.kind === "study" ? "A study of teachers" : "A training run"),
    el("h1", {}, data.title)];
  if (data.question) head.push(el("p", { class: "question" }, data.question));
  head.push(data.kind === "study" ? verdict(data) : runStatus(data));
  document.getElementById("head").replaceChildren(...head);
  document.getElementById("contents").replaceChildren(...[...document.querySelectorAll("main section:not([hidden])")]
    .map((s) => el("a", { href: `#${s.id}` }, s.querySelector("h2").textContent)));
}

function verdict(data) {
  const { exploratory, missing } = data.analysis;
  const box = el("div", { class: exploratory ? "verdict exploratory" : "verdict", id: "verdict" });
  const lines = data.analysis.verdict.split("\n").map((words) => el("p", {}, minus(words)));
  box.append(...lines);
  if (data.plan.amendments.length) box.append(el("p", { class: "note bad" }, "The declaration was changed after it was first written: ", data.plan.amendments.join("; "), "."));
  if (missing) box.append(el("p", { class: "note" }, progressLine(data.counts)));
  return box;
}

function progressLine(counts) {
  const { total, ...rest } = counts;
  const ended = (counts.finished || 0) + (counts.shipped || 0);
  const words = { stopped: "stopped and can be continued", failed: "failed", waiting: "not begun", shipped: "taken from the shipped results" };
  const others = Object.entries(rest).filter(([name]) => words[name]).map(([name, n]) => `${n} ${words[name]}`);
  return `${ended} of ${plural(total, "trial")} ended${others.length ? `; ${others.join(", ")}` : ""}.`;
}

function runStatus(data) {
  const { status, result, traceback, steps, written } = data.status;
  const box = el("div", { class: "verdict", id: "verdict" });
  if (status === "finished") box.append(el("p", {}, `On the test suite: ${result || "no result was noted"}.`));
  else box.append(el("p", {}, el("span", { class: status === "running" ? "badge calm" : "badge" }, status === "running" && !goesOn(written) ? "not ended" : status || "unknown"),
    { running: running(written), interrupted: "The run was interrupted and can be resumed.",
      failed: "The run failed; what it had written until then is shown." }[status] || "The run did not note how it ended.",
    steps && data.plan.steps.length ? ` ${thousands(steps)} of ${thousands(Number(data.plan.steps[0]))} student steps are done.` : ""));
  if (traceback) box.append(folded("traceback", "Its traceback", el("pre", {}, traceback)));
  return box;
}

function goesOn(written) { return Boolean(STATE.live) && Boolean(written) && Date.now() / 1000 - written < QUIET; }

/** What can be said of a run that did not note its end: only when it last wrote tells a live one from a killed one. */
function running(written) {
  if (written === null || written === undefined) return "The run has not ended, or was killed.";
  if (!STATE.live) return `The run had not ended when this page was made, or was killed; it last wrote at ${new Date(1000 * written).toISOString().slice(0, 19).replace("T", " ")} UTC.`;
  return goesOn(written) ? "The run is going on; this page follows it." : `The run has written nothing for ${seconds(Date.now() / 1000 - written)}: it is busy, or was killed. This page goes on as soon as it does.`;
}

function drawPlan(data) {
  const plan = data.plan;
  const rows = [];
  const add = (name, ...words) => { if (words.some((w) => w && w.length !== 0)) rows.push(el("dt", {}, name), el("dd", {}, ...words)); };
  add("environment", plan.env.join(", "));
  add("student", plan.student.join(", "));
  add("length", plan.steps.length ? `${plan.steps.map((s) => thousands(Number(s))).join(" or ")} student steps, ${plan.num_envs.join(" or ")} parallel environment${plan.num_envs.join("") === "1" ? "" : "s"}` : "");
  if (data.kind === "study") {
    add("arms", plan.arms.map((a) => (a === plan.control ? `${a} (control)` : a)).join(", "));
    const axes = Object.keys(plan.cells[0] || {});
    if (axes.length) add("grid", axes.map((a) => `${a}: ${[...new Set(plan.cells.map((c) => String(c[a])))].join(", ")}`).join("; "));
    const controls = data.variants.filter((v) => v.role !== "arm");
    if (controls.length) add("causal controls", [...new Set(controls.map((v) => v.label))].join(", "));
    add("primary metric", plan.metric.includes("/") ? `${plan.metric}, the last that was logged` : `${metricName(plan.metric)} on the test suite, averaged over its tasks`);
    add("contrasts", plan.contrasts.map(([a, b]) => `${a} against ${b}`).join("; "));
  }
  add(plan.seeds.length === 1 ? "seed" : "seeds", seedList(plan.seeds));
  add(data.kind === "study" ? "declared" : "begun", plan.declared_at ? plan.declared_at.replace("T", " ").replace("Z", " UTC") : "");
  add("changed since", plan.amendments.map((line) => el("div", { class: "bad" }, line)));
  section("plan", true, el("dl", {}, rows));
}

function seedList(seeds) {
  const run = seeds.length > 2 && seeds.every((s, i) => i === 0 || s === seeds[i - 1] + 1);
  return run ? `${seeds[0]} to ${seeds[seeds.length - 1]} (${seeds.length})` : `${seeds.join(", ")}${seeds.length > 1 ? ` (${seeds.length})` : ""}`;
}

/** A table whose columns sort when their heads are clicked; a cell is {node, key}. */
function sortable(id, columns, rows) {
  const heads = columns.map((c, i) => el("th", { scope: "col", class: c.number ? "number" : "" },
    c.sort === false ? c.name : el("button", { type: "button", onclick: () => sortBy(i) }, c.name)));
  const lines = rows.map((cells) => {
    const row = el("tr", {}, cells.map((cell, i) => el("td", { class: `${columns[i].number ? "number" : ""} ${columns[i].style || ""}`.trim() }, cell.node)));
    return { row, keys: cells.map((cell) => cell.key) };
  });
  const inside = el("tbody", {}, lines.map((l) => l.row));
  function sortBy(i, keep = false) {
    const before = STATE.sorted[id];
    const down = keep ? before.down : before && before.i === i ? !before.down : Boolean(columns[i].number);
    STATE.sorted[id] = { i, down };
    const order = (a, b) => {
      const [x, y] = [a.keys[i], b.keys[i]];
      if (x === null || x === undefined) return 1;
      if (y === null || y === undefined) return -1;
      return (typeof x === "number" ? x - y : String(x).localeCompare(String(y))) * (down ? -1 : 1);
    };
    inside.replaceChildren(...[...lines].sort(order).map((l) => l.row));
    heads.forEach((h, j) => { if (j === i) h.setAttribute("aria-sort", down ? "descending" : "ascending"); else h.removeAttribute("aria-sort"); });
  }
  if (STATE.sorted[id]) sortBy(STATE.sorted[id].i, true);
  return el("div", { class: "wide" }, el("table", { id }, el("thead", {}, el("tr", {}, heads)), inside));
}

function drawResults(data, look) {
  if (data.kind === "run") return drawFinal(data);
  const metric = data.analysis.metric;
  const ended = data.variants.filter((v) => v.summary);
  const ends = stripEnds(ended.flatMap((v) => Object.values(v.values)), metric);
  const columns = [{ name: "variant", style: "name" }, { name: "runs", number: true }, ...["mean", "median", "IQM"].map((n) => ({ name: n + unit(metric), number: true })),
    { name: `each run, ${ends.map((v) => (isShare(metric) ? (100 * v).toFixed(0) : num(v, 2))).join(" to ")}`, sort: false }];
  const rows = ended.map((v) => [
    { node: [swatch(look[v.label]), v.label], key: v.label },
    { node: String(Object.keys(v.values).length), key: Object.keys(v.values).length },
    ...["mean", "median", "iqm"].map((n) => ({ node: estimate(v.summary[n], metric), key: v.summary[n].value })),
    { node: strip(v.values, ends, metric, look[v.label].colour), key: null },
  ]);
  const missing = data.variants.filter((v) => !v.summary).map((v) => v.label);
  section("results", true,
    note(`The ${metricName(metric)}${metric.includes("/") ? ", as logged" : " on the test suite"} at the end of training, with 95\u00a0% intervals over runs. A run is first averaged over its tasks; IQM is the mean of the middle half of the runs. Click a column to sort.`),
    ended.length ? sortable("result-table", columns, rows) : el("p", {}, "No trial has ended yet."),
    missing.length && ended.length ? note(`No run has ended of: ${missing.join(", ")}.`) : null);
  return undefined;
}

function drawFinal(data) {
  const found = Object.entries(data.final).filter(([, v]) => v !== null);
  const rows = found.map(([name, v]) => [el("dt", {}, AXIS_NAMES[name] || metricName(name)),
    el("dd", {}, isShare(name) ? `${score(v, name)} %` : name.endsWith("seconds") ? seconds(v) : name.endsWith("steps") ? thousands(v) : num(v))]);
  section("results", found.length > 0, note("On the test suite, opened once, at the end."), el("dl", {}, rows));
}

function stripEnds(values, metric) {
  const known = values.filter((v) => v !== null);
  if (!known.length) return [0, 1];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  if (isShare(metric) && high - low > 0.4) return [0, 1];
  const pad = high > low ? (high - low) * 0.08 : Math.abs(high) * 0.1 || 0.5;
  return isShare(metric) ? [Math.max(0, low - pad), Math.min(1, high + pad)] : [low - pad, high + pad];
}

/** One dot a run, all variants on the same scale. */
function strip(values, [low, high], metric, colour) {
  const width = 190;
  const x = (v) => 6 + (width - 12) * (v - low) / (high - low);
  const image = svg("svg", { class: "strip", width, height: 18, viewBox: `0 0 ${width} 18`, role: "img" });
  image.append(svg("path", { d: `M6 5V13M6 9H${width - 6}M${width - 6} 5V13`, stroke: "var(--rule)" }));
  for (const [seed, value] of Object.entries(values)) {
    if (value === null) continue;
    const dot = svg("circle", { cx: x(value), cy: 9, r: 4.2, fill: colour, "fill-opacity": 0.55, stroke: colour });
    dot.append(svg("title"));
    dot.firstChild.textContent = `seed ${seed}: ${score(value, metric)}`;
    image.append(dot);
  }
  return image;
}

function drawContrasts(data) {
  const found = data.kind === "study" ? data.analysis.contrasts : [];
  const metric = data.kind === "study" ? data.analysis.metric : null;
  const columns = [{ name: "contrast", style: "words" }, { name: `difference${unit(metric, true)}`, number: true }, { name: "pairs", number: true }, { name: "p", number: true },
    { name: "p (Holm)", number: true }, { name: "P(improvement)", number: true }, { name: "pairing", number: true }, { name: "verdict", style: "words" }];
  const rows = found.map((c) => [
    { node: `${c.variant}  −  ${c.other}`, key: c.variant },
    { node: estimate(c.difference, metric, true), key: c.difference.value },
    { node: String(c.difference.n), key: c.difference.n },
    { node: probability(c.p), key: c.p }, { node: probability(c.p_holm), key: c.p_holm },
    { node: estimate(c.improvement, null), key: c.improvement.value },
    { node: c.pairing.gain === null ? "–" : `× ${num(c.pairing.gain, 2)}`, key: c.pairing.gain },
    { node: c.verdict, key: c.verdict },
  ]);
  section("contrasts", found.length > 0,
    note("Differences of means over common seeds, with 95\u00a0% intervals; p of a two-sided sign-flip test of the paired differences, then after Holm's correction over the declared contrasts. P(improvement): that a run of the first is better than one of the second. Pairing: by how much pairing the seeds shrank the variance of the difference; × 2 means that half the seeds do, below × 1 that it did not help."),
    data.kind === "study" && data.analysis.exploratory
      ? el("p", {}, el("span", { class: "badge" }, "exploratory"), `Fewer than ${data.plan.enough} seeds: these numbers name no winner.`) : null,
    found.length ? sortable("contrast-table", columns, rows) : null);
}

/** When the runs of each variant first reached the declared level; runs that did not bound the factor. */
function drawReaching(data, look) {
  const found = data.kind === "study" ? data.analysis.reaches : [];
  const level = (r) => (isShare(data.analysis.metric) ? `${num(100 * r.level)}\u00a0%` : num(r.level));
  const columns = [{ name: "variant", style: "name" }, { name: "level", number: true }, { name: "runs that got there", number: true }, { name: "student steps, median", number: true },
    { name: "the control's steps over its own", number: true }, { name: "each run's steps", style: "words" }];
  const rows = found.map((r) => {
    const steps = Object.values(r.steps);
    const got = steps.filter((s) => s !== null);
    return [
      { node: [swatch(look[r.variant]), r.variant], key: r.variant },
      { node: level(r), key: r.level },
      { node: `${got.length} of ${steps.length}`, key: got.length / steps.length },
      { node: r.median === null ? "–" : thousands(r.median), key: r.median },
      { node: factorWords(r), key: r.factor ? r.factor.value : null },
      { node: steps.map((s) => (s === null ? `> ${thousands(r.budget)}` : thousands(s))).join(", "), key: null },
    ];
  });
  section("reaching", found.length > 0,
    note(`Student steps at the first evaluation at which the ${data.kind === "study" ? metricName(data.analysis.metric) : ""} was at the declared level or above. A run that ended before is censored: it stays in, as a bound. The factor is the geometric mean over seeds, with its 95\u00a0% interval; an end that censored runs leave open is ∞.`),
    found.length ? sortable("reaching-table", columns, rows) : null);
}

function factorWords(r) {
  if (!r.factor) return "the control";
  if (r.bound === "unknown") return "not seen";
  const { value, low, high } = r.factor;
  const end = (x) => (x === null ? (r.bound === "at least" ? "∞" : "–") : num(x, 3));
  return `${r.bound ? `${r.bound} ` : ""}× ${num(value, 3)}${low === null ? "" : ` [${end(low)}, ${end(high)}]`}`;
}
