"use strict";
// What differs between the arms, who planned, what went wrong, and what the numbers were made with.

function drawSettings(data) {
  const { labels, rows } = data.differences;
  const single = data.kind === "run";
  const across = labels.length > Math.max(rows.length, 5); // many variants: one a row
  const value = (v) => el("td", { class: "code" }, v === null ? "–" : v);
  const heads = across ? ["variant", ...rows.map((r) => r.name)] : ["setting", ...labels];
  const lines = across ? labels.map((l, i) => el("tr", {}, el("td", { class: "name" }, l), rows.map((r) => value(r.values[i]))))
    : rows.map((r) => el("tr", {}, el("td", { class: "code" }, r.name), r.values.map(value)));
  const table = el("div", { class: "wide" }, el("table", { id: "settings-table" },
    el("thead", {}, el("tr", {}, heads.map((l) => el("th", { scope: "col" }, l)))), el("tbody", {}, lines)));
  if (single) return section("settings", rows.length > 0, folded("settings", `The run's ${rows.length} settings`, table));
  const { common } = data.differences;
  const shared = common.length ? folded("common", `The ${common.length} settings that all variants share`, el("div", { class: "wide" }, el("table", { id: "common-table" },
    el("tbody", {}, common.map((r) => el("tr", {}, el("td", { class: "code" }, r.name), value(r.value))))))) : null;
  return section("settings", rows.length + common.length > 0,
    rows.length ? [note("What differs between variants. A dash: it has no such setting."), table] : null, shared);
}

/** Who planned: a model's or a file's results are its own only as far as its plans were used. */
function drawSources(data, look) {
  const rows = data.sources.map((s) => {
    const total = Object.values(s.counts).reduce((sum, n) => sum + n, 0);
    const words = Object.entries(s.counts).map(([name, n]) => `${name} ${thousands(n)} (${num(100 * n / total, 3)}\u00a0%)`).join(", ");
    return [{ node: [swatch(look[s.variant]), s.variant], key: s.variant }, { node: s.teacher, key: s.teacher },
      { node: plural(total, s.what.slice(0, -1)), key: total }, { node: words, key: null }];
  });
  section("sources", rows.length > 0,
    note("Plans and answers that teachers were given in training, in all runs together. A fallback stands in where a model or a file has none: by default the planner, which knows everything, so that what was learned from it is not the model's."),
    rows.length ? sortable("sources-table", [{ name: "variant", style: "name" }, { name: "teacher", style: "words" }, { name: "in all", number: true }, { name: "by source", style: "words" }], rows) : null);
}

function drawTrouble(data) {
  const words = { failed: "failed", stopped: "stopped, can be continued", waiting: "not begun" };
  const failed = data.trouble.filter((t) => t.status === "failed");
  const others = data.trouble.filter((t) => t.status !== "failed");
  const groups = {};
  for (const t of others) (groups[`${t.variant}: ${words[t.status]}`] ||= []).push(t);
  const grouped = Object.entries(groups);
  section("trouble", data.trouble.length > 0,
    failed.map((t) => folded(`failed-${t.variant}-${t.seed}`, `${t.variant}, seed ${t.seed}: ${(t.headline || "failed").slice(0, 160)}`, el("pre", {}, t.error || "Nothing was noted."))),
    grouped.length ? el("dl", {}, grouped.map(([name, trials]) => [el("dt", {}, name), el("dd", {}, `seeds ${trials.map((t) => t.seed).join(", ")}`)])) : null);
}

function drawFacts(data) {
  const f = data.facts;
  const rows = [];
  const add = (name, value) => { if (value && value.length !== 0) rows.push(el("dt", {}, name), el("dd", {}, value)); };
  add("versions", Object.entries(f.versions).map(([n, v]) => `${n} ${v.join(" or ")}`).join(", "));
  add("commit", f.commits.map((c) => el("div", {}, el("code", {}, c))));
  add("machine", f.machines.join("; "));
  add("CPU time", f.cpu_seconds ? `${seconds(f.cpu_seconds)} in all` : "");
  add("resumed", f.resumed ? `${plural(f.resumed, "run")}${f.mismatches ? `, with ${plural(f.mismatches, "mismatch")} of restored episodes` : ", exactly"}` : "");
  add("damaged files", f.damage.map((d) => el("div", { class: "bad" }, d)));
  const keys = f.keys.filter((k) => k.key);
  const table = keys.length ? folded("keys", `Configuration hashes of ${plural(keys.length, "trial")}`, el("div", { class: "wide" }, el("table", {},
    el("thead", {}, el("tr", {}, ["variant", "seed", "hash", "status"].map((n) => el("th", { scope: "col" }, n)))),
    el("tbody", {}, keys.map((k) => el("tr", {}, el("td", {}, k.variant), el("td", {}, String(k.seed)), el("td", { class: "code" }, k.key), el("td", {}, k.status))))))) : null;
  section("facts", rows.length > 0 || keys.length > 0, el("dl", {}, rows), table);
}
