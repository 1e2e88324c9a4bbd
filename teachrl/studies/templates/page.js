"use strict";
// Draws the page from one object, and again when it changes: what was chosen, sorted and opened stays so.

let SHOWN = null;

function draw(data) {
  SHOWN = data;
  const look = styles(data);
  drawPlan(data);
  drawResults(data, look);
  drawContrasts(data);
  drawReaching(data, look);
  drawCausal(data, look);
  drawCurves(data, look);
  drawDistillation(data, look);
  drawSources(data, look);
  drawCurriculum(data, look);
  drawMastery(data, look);
  drawTransfer(data, look);
  drawSettings(data);
  drawTrouble(data);
  drawFacts(data);
  drawHead(data);
  drawFoot();
}

function drawFoot() {
  document.getElementById("foot").textContent = STATE.live ? "Made by teachrl. This page asks this machine for the run's state every few seconds."
    : "Made by teachrl. Everything on this page is in this file; it asks for nothing else.";
}

function update(data) {
  const at = window.scrollY;
  draw(data);
  window.scrollTo(0, at);
}

/** Asks for new data every few seconds, one question at a time; what cannot be had now is asked for again. */
function follow(address, pause = 3000) {
  STATE.live = true;
  let before = JSON.stringify(SHOWN);
  const ask = async () => {
    try {
      const text = await (await fetch(address, { cache: "no-store" })).text();
      drawFoot();
      if (text !== before && !STATE.playing) {
        update(JSON.parse(text));
        before = text;
      } else if (SHOWN.kind === "run") drawHead(SHOWN); // how long the run has been quiet
    } catch {
      document.getElementById("foot").textContent = "The run's server does not answer; this is the last state it sent.";
    }
    setTimeout(ask, pause);
  };
  setTimeout(ask, pause);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (SHOWN) update(SHOWN); });
matchMedia("print").addEventListener("change", () => { if (SHOWN) update(SHOWN); });
