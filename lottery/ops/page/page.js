// The status page: takes the events of the central, and shows them.

import { AgenciesTable, setText } from "./agencies.js";
import { drawLines } from "./charts.js";
import { fillTable, makeHead, Results } from "./results.js";
import {
  bytesText, dayText, fillWords, rateText, secondsText, timeText, wholeText, words,
} from "./words.js";

const STEPS = ["open", "closing", "sealed", "drawn", "delivered"];
const MOST_POINTS = 300;
// A stream that says nothing for so long is as good as cut.
const SILENT_MS = 10_000;

const find = (selector) => document.querySelector(selector);

fillWords();
makeHead("#writers", words.writerColumns);
const agencies = new AgenciesTable();
const results = new Results();
let points = [];
let central = null;
let told = "";
let heardAt = Date.now();

function showCentral() {
  const draw = central.draw;
  setText(find("#draw-number"), draw ? String(draw.draw) : "–");
  showSteps(draw?.state ?? "");
  showFigure("#draw-bets", draw?.bets ?? null, wholeText);
  showFigure("#draw-rate", central.point[1], rateText);
  setText(find("#draw-taken"), draw ? `${wholeText(draw.taken)} / ${wholeText(draw.places)}` : "–");
  showFigure("#draw-ended", draw?.ended ?? null, wholeText);
  showFigure("#draw-left-out", draw?.left_out ?? null, wholeText);
  setText(find("#draw-number-won"), wonText(draw));
  showFigure("#ledger-size", central.ledger, bytesText);
  showFigure("#disk-free", central.free, bytesText);
  showNote("#disk-warning", central.free !== null && central.free < 2 * central.min_free
    ? words.diskLow(bytesText(central.free), bytesText(central.min_free)) : "");
  const others = central.others.map(({ draw: number, state }) => words.stepOf(number, words.steps[state]));
  showNote("#draw-others", others.length ? words.others(others.join(", ")) : "");
  find("#promise").hidden = !draw?.commitment;
  setText(find("#commitment"), draw?.commitment ?? "");
  showWriters();
  setText(find("#about"), words.about(central.version, dayText(central.started), wholeText(central.connections)));
}

function wonText(draw) {
  if (!draw || draw.state === "void") return "–";
  if (draw.winning_number === null) return words.toBeDrawn;
  const drawn = draw.state === "drawn" || draw.state === "delivered";
  return drawn ? String(draw.winning_number) : words.fixedNumber(draw.winning_number);
}

function showFigure(selector, value, text) {
  const place = find(selector);
  setText(place, value === null ? "–" : text(value));
  place.dataset.value = value ?? "";
}

function showNote(selector, text) {
  setText(find(selector), text);
  find(selector).hidden = !text;
}

function showSteps(state) {
  const list = find("#draw-state");
  if (list.dataset.state === state && list.children.length) return;
  list.dataset.state = state;
  const steps = state === "void" ? ["open", "closing", "void"] : STEPS;
  list.replaceChildren(...steps.map((step) => {
    const item = document.createElement("li");
    item.textContent = words.steps[step];
    if (step === state) item.setAttribute("aria-current", "step");
    else if (steps.indexOf(step) < steps.indexOf(state)) item.className = "past";
    return item;
  }));
}

/** Say aloud what a screen reader should not miss, and only once. */
function announce(text) {
  if (text !== told) {
    told = text;
    find("#announcer").textContent = text;
  }
}

function showWriters() {
  fillTable("#writers", central.writers.map((writer) => [
    String(writer.pid), String(writer.draw), writer.sessions, bytesText(writer.queue), secondsText(writer.flush),
  ]));
  setText(find("#writers-none"), central.writers.length ? "" : words.noWriters);
}

function showCharts() {
  const rates = points.map(([time, rate]) => [time, rate]);
  const most = Math.max(0, ...rates.map((point) => point[1]));
  setText(find("#throughput-now"), words.nowAndMost(rateText(rates.at(-1)?.[1] ?? 0), rateText(most)));
  drawLines(find("#throughput"), rates, [words.throughput], rateText, timeText);
  const waits = points.map(([time, , half, nearly]) => [time, half, nearly]);
  const last = waits.findLast((point) => point[1] !== null);
  setText(find("#latency-now"), last
    ? words.halfAndMost(secondsText(last[1]), secondsText(last[2])) : words.nothingYet);
  drawLines(find("#latency"), waits, [words.median, "99 %"], secondsText, timeText);
}

function showConnection(live) {
  const place = find("#connection");
  place.dataset.state = live ? "live" : "lost";
  setText(place.querySelector(".text"), live ? words.connected : words.lost);
  document.body.classList.toggle("stale", !live);
  if (live) {
    if (!find("#lost").hidden) announce(words.back);
    find("#lost").hidden = true;
  } else if (find("#lost").hidden) {
    showNote("#lost", words.lostSince(timeText(heardAt / 1000)));
    announce(find("#lost").textContent);
  }
}

function heard(event) {
  heardAt = Date.now();
  return JSON.parse(event.data);
}

let stream = null;

function listen() {
  stream = new EventSource("/events");
  stream.addEventListener("open", () => agencies.forget());
  stream.addEventListener("history", (event) => { points = heard(event).points; });
  stream.addEventListener("agencies", (event) => {
    agencies.take(heard(event));
    agencies.show();
  });
  stream.addEventListener("central", (event) => {
    const before = central;
    central = heard(event);
    points = [...points, central.point].filter(
      (point, index, all) => point[0] !== all[index - 1]?.[0]).slice(-MOST_POINTS);
    showConnection(true);
    showCentral();
    showCharts();
    agencies.show(central.time);
    if (before && central.draw && before.draw?.state !== central.draw.state) {
      announce(words.stepOf(central.draw.draw, words.steps[central.draw.state]));
    }
    results.refresh(central.results, central.documents).catch(() => { results.version = null; });
  });
  stream.addEventListener("error", () => {
    showConnection(false);
    // The browser tries again by itself, unless it was told something that is no stream.
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  });
}

listen();
setInterval(() => {
  if (Date.now() - heardAt > SILENT_MS) {
    showConnection(false);
    if (stream.readyState === EventSource.OPEN) {
      stream.close();
      listen();
      heardAt = Date.now();
    }
  }
}, 1000);
