// The status page: takes the events of the central, and shows them.

import { AgenciesTable } from "./agencies.js";
import { decadeScale, drawLines, linearScale } from "./charts.js";
import { find, make, setFigure, setNote, setText } from "./dom.js";
import { Results } from "./results.js";
import { listen } from "./stream.js";
import { Table } from "./table.js";
import {
  bytesText, compactText, dayText, fillWords, minuteText, rateText, secondsText, timeText, wholeText, words,
} from "./words.js";

const STEPS = ["open", "closing", "sealed", "drawn", "delivered"];
const MOST_POINTS = 300;
/** What belongs together comes in several events, each soon after the one before. */
const TOGETHER_MS = 30;
const MOST_TOGETHER_MS = 250;

fillWords();
let central = null;       // the latest event about all but the agencies
let heardAt = 0;          // when it came, by a clock that nobody sets
let connection = null;    // "live" or "lost"; null before it has ever been either
let points = [];          // [time, bets/s, median wait, 99 % of the waits] of the last minutes
const agencies = new AgenciesTable(now);
const results = new Results();
const writers = new Table(find("#writers"), writerColumns(), {
  key: "pid", sorted: "pid", note: find("#writers-more"),
});

/** The central's time, in seconds: the clock of whoever looks may be wrong. */
function now() {
  return central ? central.time + (performance.now() - heardAt) / 1000 : 0;
}

// The draw.

function showCentral() {
  const { draw } = central;
  setText(find("#draw-number"), draw ? String(draw.draw) : "");
  setNote(find("#draw-none"), draw ? "" : words.noDraw);
  showSteps(draw?.state ?? "");
  showFigure("#draw-bets", draw?.bets, wholeText);
  showFigure("#draw-rate", central.point[1], rateText);
  showFigure("#draw-taken", draw?.taken, wholeText);
  setText(find("#draw-places"), draw ? words.ofPlaces(wholeText(draw.places)) : "");
  showFigure("#draw-ended", draw?.ended, wholeText);
  showFigure("#draw-left-out", draw?.left_out, wholeText);
  find("#draw-left-out").classList.toggle("bad", draw?.left_out > 0);
  showNumber(draw);
  showDisk();
  const others = central.others.map(({ draw: number, state }) => words.stepOf(number, words.steps[state]));
  setNote(find("#draw-others"), others.length ? words.others(others.join(", ")) : "");
  find("#promise").hidden = !draw?.commitment;
  setText(find("#commitment"), draw?.commitment ?? "");
  writers.show(central.writers);
  setNote(find("#writers-none"), central.writers.length ? "" : words.noWriters);
  setText(find("#about"), words.about(central.version, dayText(central.started), wholeText(central.connections)));
}

function showFigure(selector, value = null, text = String) {
  setFigure(find(selector), value, value === null ? "–" : text(value));
}

function showNumber(draw) {
  const number = draw && draw.state !== "void" ? draw.winning_number : null;
  const drawn = draw?.state === "drawn" || draw?.state === "delivered";
  const open = draw && !drawn && draw.state !== "void";
  setFigure(find("#draw-number-won"), number, number !== null ? String(number) : open ? words.toBeDrawn : "–");
  find("#draw-number-won").classList.toggle("won", drawn);
  find("#draw-number-won").classList.toggle("words", number === null);
  setText(find("#draw-fixed"), open && number !== null ? words.fixed : "");
}

function showDisk() {
  const { free, min_free: kept } = central;
  showFigure("#ledger-size", central.ledger, bytesText);
  showFigure("#disk-free", free, bytesText);
  const warning = free < kept ? words.diskFull : words.diskLow;
  setNote(find("#disk-warning"), free !== null && free < 2 * kept ? warning(bytesText(free), bytesText(kept)) : "");
}

function showSteps(state) {
  const list = find("#draw-state");
  if (list.dataset.state === state) return;
  list.dataset.state = state;
  list.hidden = !state;
  const steps = state === "void" ? ["open", "closing", "void"] : STEPS;
  list.replaceChildren(...steps.map((step) => {
    const item = make("li", words.steps[step]);
    if (step === state) item.setAttribute("aria-current", "step");
    else if (steps.indexOf(step) < steps.indexOf(state)) item.className = "past";
    return item;
  }));
}

function writerColumns() {
  const column = (name, text) => ({
    name, title: words.writerColumns[name], number: true, value: (writer) => writer[name], text: (writer) => text(writer[name]),
  });
  return [
    column("pid", String), column("draw", String), column("sessions", wholeText),
    column("queue", bytesText), column("flush", secondsText),
  ];
}

// The charts.

function addPoint(point) {
  // The history may have it already.
  if (point[0] !== points.at(-1)?.[0]) points = [...points, point].slice(-MOST_POINTS);
}

function showCharts() {
  const rates = points.map(([time, rate]) => [time, rate]);
  const highest = Math.max(0, ...rates.map(([, rate]) => rate));
  setText(find("#throughput-now"), words.nowAndMost(rateText(rates.at(-1)?.[1] ?? 0), rateText(highest)));
  drawLines(find("#throughput"), rates, [words.throughput], linearScale,
    { unit: words.perSecond, value: compactText, time: minuteText });
  const waits = points.map(([time, , half, nearly]) => [time, half, nearly]);
  const last = waits.findLast(([, half]) => half !== null);
  const longest = Math.max(0, ...waits.map(([, , nearly]) => nearly ?? 0));
  setText(find("#latency-now"), last
    ? words.waits(secondsText(last[1]), secondsText(last[2]), secondsText(longest)) : words.nothingYet);
  drawLines(find("#latency"), waits, ["p50", "p99"], decadeScale,
    { unit: "", value: secondsText, time: minuteText });
}

// What was told together is shown together: figures and rows fit each other.

let showing = null, toldAt = 0;

function showSoon() {
  const now = performance.now();
  if (showing === null) toldAt = now;
  clearTimeout(showing);
  showing = setTimeout(showAll, Math.min(TOGETHER_MS, toldAt + MOST_TOGETHER_MS - now));
}

function showAll() {
  showing = null;
  if (!central) return;
  showCentral();
  showCharts();
  agencies.show();
  // A central that was started again counts anew.
  results.refresh(`${central.started} ${central.results}`, central.documents);
}

// The connection.

/** Say aloud what a screen reader should not miss; there is nothing else that it says unasked. */
function announce(text) {
  find("#announcer").textContent = text;
}

function showConnection(state) {
  const before = connection, live = state === "live";
  if (before === state) return;
  connection = state;
  find("#connection").dataset.state = state;
  setText(find("#connection .text"), live ? words.connected : words.lost);
  document.body.classList.toggle("stale", !live);
  const sentence = live ? "" : central ? words.lostSince(timeText(central.time)) : words.notReached;
  setNote(find("#lost"), sentence);
  if (!live) announce(sentence);
  else if (before === "lost") announce(words.back);
}

const heard = {
  history(data) {
    ({ points } = data);
  },

  agencies(data) {
    agencies.take(data);
    showSoon();
  },

  central(data) {
    const before = central?.draw;
    central = data;
    heardAt = performance.now();
    addPoint(data.point);
    showConnection("live");
    showSoon();
    const { draw } = data, step = draw ? words.stepOf(draw.draw, words.steps[draw.state]) : "";
    document.title = step ? `${step} – ${words.title}` : words.title;
    if (before && draw && (before.draw !== draw.draw || before.state !== draw.state)) announce(step);
  },
};

find("#connection .text").textContent = words.connecting;
addEventListener("resize", showCharts);
listen("/events", {
  opened: () => agencies.forget(),
  heard: (kind, data) => heard[kind](data),
  lost: () => showConnection("lost"),
});
// While nothing is heard, time goes on all the same.
setInterval(() => { if (connection === "lost") agencies.show(); }, 1000);
