// The draws there have been: the list, and one of them in detail.

import { setText } from "./agencies.js";
import { drawNumbers } from "./charts.js";
import { whyText, wholeText, words } from "./words.js";

const MOST_PARTS = 200;
const TOP = 10;

export class Results {
  constructor() {
    this.version = null;  // what the central calls the state of its results
    this.chosen = null;   // the draw that somebody wants to see; null: the latest with a result
    this.shown = "";
    makeHead("#former", words.drawColumns);
    makeHead("#top", words.topColumns);
  }

  /** Fetch the draws, if the central says that there is something new. */
  async refresh(version, documents) {
    if (version === this.version) return;
    this.version = version;
    this.documents = documents;
    const { draws, more } = await fetched("/api/draws");
    document.querySelector("#former tbody").replaceChildren(...draws.map((draw) => this.line(draw)));
    setText(document.querySelector("#former-note"),
      !draws.length ? words.noDraws : more ? words.moreDraws : "");
    const latest = draws.find((draw) => draw.winning_number !== null && draw.sha256);
    const draw = draws.find((each) => each.draw === this.chosen) ?? latest;
    if (draw) await this.show(draw.draw);
  }

  line(draw) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words.show(draw.draw);
    button.addEventListener("click", async () => {
      this.chosen = draw.draw;
      await this.show(draw.draw);
      document.querySelector("#result-title").focus();
    });
    const files = document.createElement("span");
    files.append(link(words.record, `/api/draws/${draw.draw}/record`));
    if (this.documents && draw.winners !== null && draw.winners !== undefined) {
      files.append(" ", link(words.winnersFile, `/api/draws/${draw.draw}/winners`));
    }
    const state = draw.error ?? words.steps[draw.state];
    const row = makeRow([button, state, draw.agencies, draw.bets,
      text(draw.winning_number), draw.winners, files]);
    row.dataset.draw = draw.draw;
    return row;
  }

  /** Show one draw. */
  async show(number) {
    const draw = await fetched(`/api/draws/${number}`);
    const section = document.querySelector("#result");
    section.hidden = false;
    section.dataset.draw = number;
    setText(document.querySelector("#result-title"), words.resultOf(number));
    const drawn = draw.winning_number !== null && draw.winning_number !== undefined;
    setText(document.querySelector("#result-summary"), drawn
      ? words.summary(draw.winning_number, wholeText(draw.winners), wholeText(draw.bets))
      : words.notDrawn(draw.error ?? words.steps[draw.state]));
    document.querySelector("#result-proof").replaceChildren(
      ...["sha256", "commitment", "secret"].filter((name) => draw[name]).flatMap((name) => {
        const term = document.createElement("dt"), value = document.createElement("dd");
        const code = document.createElement("code");
        term.textContent = words[name];
        code.textContent = draw[name];
        value.append(code);
        return [term, value];
      }));
    this.showParts(draw.parts ?? [], draw.more_parts ?? 0);
    setText(document.querySelector("#documents-note"), this.documents ? "" : words.noDocuments);
    await this.showNumbers(draw);
  }

  showParts(parts, more) {
    const { documents, ...columns } = words.partColumns;
    makeHead("#parts", this.documents ? { ...columns, documents } : columns);
    document.querySelector("#parts tbody").replaceChildren(...parts.slice(0, MOST_PARTS).map((part) => {
      const outcome = part.outcome === "left_out" ? `${words.states.left_out}: ${whyText(part.reason)}`
        : part.received === null ? words.succeeded : part.received ? words.received : words.notReceived;
      const cells = [`${part.agency} ${part.name}`.trim(), part.bets, part.winners, outcome];
      if (this.documents) cells.push((part.documents ?? []).join(", "));
      const row = makeRow(cells);
      row.dataset.agency = part.agency;
      row.cells[2].dataset.value = part.winners ?? "";
      return row;
    }));
    const left = more + Math.max(0, parts.length - MOST_PARTS);
    setText(document.querySelector("#parts-more"), left > 0 ? words.moreParts(wholeText(left)) : "");
  }

  async showNumbers(draw) {
    const note = document.querySelector("#numbers-note"), svg = document.querySelector("#numbers");
    const key = `${draw.draw} ${draw.sha256}`;
    if (!draw.sha256) {
      svg.setAttribute("hidden", "");
      document.querySelector("#top tbody").replaceChildren();
      setText(note, words.noNumbers);
      this.shown = "";
      return;
    }
    if (this.shown !== key) setText(note, words.counting);
    const { bets } = await fetched(`/api/draws/${draw.draw}/numbers`);
    const top = bets.map((count, number) => ({ count, number }))
      .filter(({ count }) => count).sort((a, b) => b.count - a.count || a.number - b.number);
    drawNumbers(svg, bets, draw.winning_number, (first, last, count) => words.bar(first, last, wholeText(count)));
    svg.removeAttribute("hidden");
    setText(note, top.length ? words.numbersNote(top[0].number, wholeText(top[0].count)) : words.noNumbers);
    document.querySelector("#top tbody").replaceChildren(
      ...top.slice(0, TOP).map(({ number, count }) => makeRow([String(number), count])));
    this.shown = key;
  }
}

/** Fill a table whose rows are few: all of it anew. */
export function fillTable(selector, rows) {
  document.querySelector(`${selector} tbody`).replaceChildren(...rows.map(makeRow));
}

export function makeHead(selector, columns) {
  const amounts = new Set(["agencies", "bets", "winners", "sessions"]);
  const row = document.createElement("tr");
  for (const [name, text] of Object.entries(columns)) {
    const head = document.createElement("th");
    head.scope = "col";
    head.dataset.cell = name;
    head.className = amounts.has(name) ? "number" : "";
    head.textContent = text;
    row.append(head);
  }
  document.querySelector(`${selector} thead`).replaceChildren(row);
}

function makeRow(values) {
  const row = document.createElement("tr");
  for (const value of values) {
    const cell = document.createElement("td");
    if (value instanceof Node) cell.append(value);
    else if (typeof value === "number") {
      cell.className = "number";
      cell.dataset.value = value;
      cell.textContent = wholeText(value);
    } else cell.textContent = value ?? "";
    row.append(cell);
  }
  return row;
}

/** A number that is a name, and no amount. */
const text = (number) => number === null || number === undefined ? null : String(number);

function link(text, address) {
  const made = document.createElement("a");
  made.href = address;
  made.download = "";
  made.textContent = text;
  return made;
}

async function fetched(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
}
