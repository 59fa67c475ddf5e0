// The draws there have been: the list, and one of them in detail.

import { drawNumbers } from "./charts.js";
import { find, make, setNote, setText } from "./dom.js";
import { Table } from "./table.js";
import { compactText, whyText, wholeText, words } from "./words.js";

const TOP = 10;
/** Of the documents of an agency's winners; the file has all of them. */
const MOST_DOCUMENTS = 20;
/** A draw that is being delivered changes all the time: it is asked for again after a pause. */
const PAUSE_MS = 2000;
const FAILED_PAUSE_MS = 10_000;

export class Results {
  constructor() {
    this.version = null;   // what the central calls the state of its results
    this.documents = false;
    this.draws = [];
    this.asking = null;    // what asks for the draw that is shown, to be broken off
    this.counted = null;   // the draw whose bets are shown by number, and how many there are
    this.busy = false;
    this.table = new Table(find("#former"), this.columns(), {
      key: "draw", sorted: "-draw", note: find("#former-more"),
    });
    this.top = new Table(find("#top"), topColumns(), {
      key: "number", sorted: "-bets", note: find("#top-more"),
    });
    find("#result-latest").addEventListener("click", () => chooseDraw("#draw"));
    addEventListener("hashchange", () => this.choose());
    new ResizeObserver(() => this.drawNumbers()).observe(find("#numbers"));
  }

  columns() {
    const whole = (name) => ({ name, number: true, value: (draw) => draw[name] ?? null, text: (draw) => wholeText(draw[name]) });
    const columns = [
      { name: "draw", number: true, value: (draw) => draw.draw, text: (draw) => String(draw.draw), fill: fillChoice },
      { name: "state", value: stateText, text: stateText },
      { name: "agencies", number: true, value: (draw) => draw.succeeded ?? null,
        text: (draw) => draw.places === undefined ? "–" : `${wholeText(draw.succeeded)} / ${wholeText(draw.places)}` },
      whole("left_out"), whole("bets"),
      { name: "winning_number", number: true, value: (draw) => draw.winning_number ?? null,
        text: (draw) => isDrawn(draw) ? String(draw.winning_number) : "–" },
      whole("winners"),
      { name: "files", value: (draw) => draw.draw, text: (draw) => `${this.documents && isDrawn(draw)}`,
        fill: (cell, draw) => fillFiles(cell, draw, this.documents && isDrawn(draw)) },
    ];
    return columns.map((column) => ({ ...column, title: words.drawColumns[column.name] }));
  }

  /** Fetch the draws, if the central says that there is something new. */
  async refresh(version, documents) {
    if (this.busy || version === this.version) return;
    this.busy = true;
    this.documents = documents;
    let pause = PAUSE_MS;
    try {
      const { draws, more } = await fetched("/api/draws");
      this.version = version;
      this.draws = draws;
      this.table.show(draws);
      setNote(find("#former-note"), !draws.length ? words.noDraws : more ? words.moreDraws : "");
      await this.show();
    } catch {
      this.version = null;
      pause = FAILED_PAUSE_MS;
      setNote(find("#former-note"), words.notLoaded);
    }
    setTimeout(() => { this.busy = false; }, pause);
  }

  /** Show the draw that the address has come to name. */
  async choose() {
    if (!/^#draw/.test(location.hash)) return;
    await this.show().catch(() => setNote(find("#numbers-note"), words.notLoaded));
    find("#result-title").focus();
  }

  /** Show the draw that somebody has chosen, or else the latest one that has a result. */
  async show() {
    const chosen = Number(/^#draw=(\d+)$/.exec(location.hash)?.[1] ?? 0);
    const latest = this.draws.find((draw) => isDrawn(draw) || draw.state === "void")?.draw;
    const number = this.draws.some(({ draw }) => draw === chosen) ? chosen : latest;
    if (number === undefined) return;
    this.asking?.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      const draw = await fetched(`/api/draws/${number}`, signal);
      this.showDraw(draw);
      find("#result-latest").hidden = number === latest || latest === undefined;
      // Not waited for: to count many bets takes its time.
      this.count(draw, signal).catch(() => {
        if (!signal.aborted) setNote(find("#numbers-note"), words.notLoaded);
      });
    } catch (error) {
      // Another draw is wanted by now.
      if (!signal.aborted) throw error;
    }
  }

  showDraw(draw) {
    const section = find("#result");
    section.hidden = false;
    section.dataset.draw = draw.draw;
    for (const button of document.querySelectorAll("#former button[data-draw]")) {
      if (Number(button.dataset.draw) === draw.draw) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    setText(find("#result-title"), words.resultOf(draw.draw));
    setText(find("#result-summary"), isDrawn(draw)
      ? words.summary(draw.winning_number, wholeText(draw.winners), wholeText(draw.bets))
      : words.notDrawn(stateText(draw)));
    find("#result-proof").replaceChildren(...["sha256", "commitment", "secret"]
      .filter((name) => draw[name])
      .flatMap((name) => {
        const value = make("dd");
        value.append(make("code", draw[name]));
        return [make("dt", words[name]), value];
      }));
    this.showParts(draw.parts ?? [], draw.more_parts ?? 0);
    setNote(find("#documents-note"), this.documents ? "" : words.noDocuments);
  }

  showParts(parts, more) {
    // Its columns depend on what the central tells.
    if (this.parts?.documents !== this.documents) {
      const options = { key: "agency", sorted: "-winners", note: find("#parts-more") };
      find("#parts tbody").replaceChildren();
      this.parts = { documents: this.documents, table: new Table(find("#parts"), partColumns(this.documents), options) };
    }
    this.parts.table.show(parts.map((part) => ({ ...part, state: partState(part) })), more);
  }

  /** Show how many bets each number has. */
  async count(draw, signal) {
    const key = `${draw.draw} ${draw.sha256}`;
    // A draw that is not sealed has no number that could be asked for.
    if (!draw.sha256) this.counted = null;
    else if (this.counted?.key !== key) {
      this.counted = null;
      this.showNumbers(words.counting);
      const { bets } = await fetched(`/api/draws/${draw.draw}/numbers`, signal);
      this.counted = { key, bets };
    }
    if (this.counted) this.counted.won = isDrawn(draw) ? draw.winning_number : null;
    this.showNumbers(words.noNumbers);
  }

  showNumbers(otherwise) {
    const all = this.counted?.bets.map((bets, number) => ({ number, bets })).filter(({ bets }) => bets) ?? [];
    all.sort((a, b) => b.bets - a.bets || a.number - b.number);
    find("#numbers").classList.toggle("empty", !all.length);
    setText(find("#numbers-note"), all.length ? words.numbersNote(all[0].number, wholeText(all[0].bets)) : otherwise);
    find("#top-part").hidden = !all.length;
    this.top.show(all.slice(0, TOP));
    this.drawNumbers();
  }

  drawNumbers() {
    if (!this.counted) return;
    const { bets, won } = this.counted;
    drawNumbers(find("#numbers"), bets, won, {
      unit: words.bets, value: compactText, won: words.wonMark(won),
      bar: (first, last, count) => words.bar(first, last, wholeText(count)),
    });
  }
}

function topColumns() {
  return [
    { name: "number", title: words.topColumns.number, number: true, value: (row) => row.number, text: (row) => String(row.number) },
    { name: "bets", title: words.topColumns.bets, number: true, value: (row) => row.bets, text: (row) => wholeText(row.bets) },
  ];
}

function partColumns(documents) {
  const columns = [
    { name: "agency", number: true, value: (part) => part.agency, text: (part) => String(part.agency) },
    { name: "name", value: (part) => part.name, text: (part) => part.name },
    { name: "bets", number: true, value: (part) => part.bets, text: (part) => wholeText(part.bets) },
    { name: "winners", number: true, value: (part) => part.winners, text: (part) => wholeText(part.winners) },
    { name: "outcome", value: outcomeText, text: outcomeText },
  ];
  if (documents) columns.push({ name: "documents", value: documentsText, text: documentsText });
  return columns.map((column) => ({ ...column, title: words.partColumns[column.name] }));
}

function partState({ outcome, received }) {
  if (outcome === "left_out") return "left_out";
  return received === null ? "ended" : received ? "received" : "unreceived";
}

function outcomeText(part) {
  const text = part.state === "ended" ? words.succeeded : words.states[part.state];
  return part.reason ? `${text}: ${whyText(part.reason)}` : text;
}

function documentsText({ documents = [] }) {
  const more = documents.length - MOST_DOCUMENTS;
  const text = documents.slice(0, MOST_DOCUMENTS).join(", ");
  return more > 0 ? `${text} ${words.moreDocuments(wholeText(more))}` : text;
}

function isDrawn({ state }) {
  return state === "drawn" || state === "delivered";
}

function stateText({ state, error }) {
  const text = words.steps[state] ?? state;
  return error ? `${text}: ${error}` : text;
}

function fillChoice(cell, { draw }) {
  const button = make("button", words.show(draw), { type: "button", class: "link", "data-draw": draw });
  button.addEventListener("click", () => chooseDraw(`#draw=${draw}`));
  cell.replaceChildren(button);
}

/** The address names the draw that was chosen, so it can be kept and given to others. */
function chooseDraw(hash) {
  if (location.hash !== hash) location.hash = hash;
  else find("#result-title").focus();
}

function fillFiles(cell, { draw }, withWinners) {
  const link = (text, name, what) =>
    make("a", text, { href: `/api/draws/${draw}/${what}`, download: "", "aria-label": name });
  cell.replaceChildren(link(words.record, words.recordOf(draw), "record"));
  if (withWinners) cell.append(" ", link(words.winnersFile, words.winnersOf(draw), "winners"));
}

/** Fetch JSON; if the central asks for patience, again later. */
async function fetched(address, signal) {
  for (;;) {
    const answer = await fetch(address, { signal });
    if (answer.ok) return answer.json();
    if (answer.status !== 503) throw new Error(`${address}: ${answer.status}`);
    const seconds = Number(answer.headers.get("retry-after")) || 2;
    await new Promise((again) => setTimeout(again, seconds * 1000));
    signal?.throwIfAborted();
  }
}
