// The table of the agencies: searched, sorted, and touched only where something has changed.

import { rateText, whyText, wholeText, words } from "./words.js";

const CELLS = ["id", "name", "dialect", "state", "bets", "rate", "acked", "winners", "why"];
const NUMBERS = new Set(["id", "bets", "rate", "winners"]);
// More rows than that would only make a browser slow: who looks for others searches.
const MOST_SHOWN = 500;

export class AgenciesTable {
  constructor() {
    this.rows = new Map();  // by id: what it is, and its element once there is one
    this.draw = null;
    this.sorted = { cell: "id", up: true };
    this.body = document.querySelector("#agencies tbody");
    this.search = document.querySelector("#search");
    this.state = document.querySelector("#state");
    this.makeHead();
    this.makeStates();
    document.querySelector("#filter").addEventListener("submit", (event) => event.preventDefault());
    this.search.addEventListener("input", () => this.show());
    this.state.addEventListener("change", () => this.show());
  }

  makeHead() {
    document.querySelector("#agencies thead tr").replaceChildren(...CELLS.map((cell) => {
      const head = document.createElement("th"), button = document.createElement("button");
      head.scope = "col";
      head.className = NUMBERS.has(cell) ? "number" : "";
      head.dataset.cell = cell;
      button.type = "button";
      button.textContent = words.columns[cell];
      button.addEventListener("click", () => this.sortBy(cell));
      head.append(button);
      return head;
    }));
  }

  makeStates() {
    for (const [value, text] of [["", words.anyState], ...Object.entries(words.states)]) {
      this.state.append(new Option(text, value));
    }
  }

  forget() {
    this.rows.clear();
    this.body.replaceChildren();
    this.draw = null;
  }

  /** Take rows as the central tells them. */
  take({ draw, rows }) {
    if (draw !== this.draw) {
      this.forget();
      this.draw = draw;
    }
    for (const [id, name, dialect, state, bets, rate, acked, why, winners] of rows) {
      const row = this.rows.get(id) ?? { element: null };
      Object.assign(row, { id, name, dialect, state, bets, rate, acked, why: whyText(why), winners });
      row.found = `${id} ${name} ${words.states[state]}`.toLowerCase();
      this.rows.set(id, row);
    }
  }

  sortBy(cell) {
    const up = this.sorted.cell === cell ? !this.sorted.up : !NUMBERS.has(cell) || cell === "id";
    this.sorted = { cell, up };
    this.show();
  }

  /** Show the rows that are looked for, in order.
   * @param now the central's time, in seconds
   */
  show(now = this.now ?? 0) {
    this.now = now;
    const wanted = this.search.value.trim().toLowerCase(), state = this.state.value;
    const found = [...this.rows.values()].filter(
      (row) => row.found.includes(wanted) && (!state || row.state === state));
    found.sort(this.order());
    const elements = found.slice(0, MOST_SHOWN).map((row) => this.draws(row, now));
    this.place(elements);
    this.tell(found.length);
  }

  order() {
    const { cell, up } = this.sorted, sign = up ? 1 : -1;
    const value = (row) => cell === "state" ? words.states[row.state] : row[cell];
    return (one, other) => {
      const a = value(one), b = value(other);
      // Those without a value come last, whichever way.
      if (a === b) return one.id - other.id;
      if (a === null) return 1;
      if (b === null) return -1;
      return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
    };
  }

  /** Put the elements in place; who stands right already is not moved, nor is the focus. */
  place(elements) {
    let next = this.body.firstElementChild;
    for (const element of elements) {
      if (element === next) next = next.nextElementSibling;
      else this.body.insertBefore(element, next);
    }
    while (next) {
      const gone = next;
      next = next.nextElementSibling;
      gone.remove();
    }
  }

  draws(row, now) {
    row.element ??= this.makeRow(row.id);
    if (row.element.dataset.state !== row.state) row.element.dataset.state = row.state;
    for (const cell of row.element.cells) {
      const name = cell.dataset.cell, text = textOf(row, name, now);
      if (cell.textContent !== text) cell.textContent = text;
      if (NUMBERS.has(name)) {
        const value = String(row[name] ?? "");
        if (cell.dataset.value !== value) cell.dataset.value = value;
      }
    }
    return row.element;
  }

  makeRow(id) {
    const element = document.createElement("tr");
    element.dataset.agency = id;
    for (const name of CELLS) {
      const cell = document.createElement(name === "id" ? "th" : "td");
      if (name === "id") cell.scope = "row";
      cell.dataset.cell = name;
      cell.dataset.label = words.columns[name];
      if (NUMBERS.has(name)) cell.className = "number";
      if (name === "name") cell.dir = "auto";
      element.append(cell);
    }
    return element;
  }

  tell(found) {
    const all = this.rows.size, none = document.querySelector("#agencies-none");
    const more = found > MOST_SHOWN ? words.tooMany(wholeText(MOST_SHOWN)) : "";
    const count = all ? words.shown(wholeText(found), wholeText(all)) + more : "";
    setText(document.querySelector("#agencies-count"), count);
    setText(none, !all ? words.noAgencies : found ? "" : words.noneFound);
    for (const head of document.querySelectorAll("#agencies th[data-cell]")) {
      if (head.scope !== "col") continue;
      if (head.dataset.cell !== this.sorted.cell) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", this.sorted.up ? "ascending" : "descending");
    }
  }
}

function textOf(row, cell, now) {
  switch (cell) {
    case "state": return words.states[row.state];
    case "bets": case "winners": return wholeText(row[cell]);
    case "rate": return row.rate ? rateText(row.rate) : "";
    case "acked": return row.acked === null ? "" : words.ago(Math.max(0, now - row.acked));
    default: return String(row[cell]);
  }
}

/** Change a text only if it is another one: what a screen reader reads must not be touched. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
