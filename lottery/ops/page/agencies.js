// The agencies of the draw that is shown: searched, filtered by state and sorted.

import { find, setNote, setText } from "./dom.js";
import { Table } from "./table.js";
import { agoText, rateText, whyText, wholeText, words } from "./words.js";

export class AgenciesTable {
  /** @param now gives the central's time, in seconds */
  constructor(now) {
    this.now = now;
    this.agencies = new Map();
    this.draw = null;
    this.state = find("#state");  // which are shown; empty: all of them
    this.table = new Table(find("#agencies"), this.columns(), {
      key: "agency", sorted: "id", note: find("#agencies-more"),
    });
    this.state.append(new Option(words.anyState, ""));
    for (const [state, name] of Object.entries(words.states)) this.state.append(new Option(name, state));
    this.state.addEventListener("change", () => this.show());
    find("#search").addEventListener("input", () => this.show());
    find("#filter").addEventListener("submit", (event) => event.preventDefault());
  }

  columns() {
    const columns = [
      { name: "id", number: true, value: (row) => row.agency, text: (row) => String(row.agency) },
      { name: "name", value: (row) => row.name, text: (row) => row.name },
      { name: "dialect", value: (row) => row.dialect, text: (row) => row.dialect },
      { name: "state", value: (row) => words.states[row.state] ?? row.state,
        text: (row) => words.states[row.state] ?? row.state },
      { name: "bets", number: true, value: (row) => row.bets, text: (row) => wholeText(row.bets) },
      { name: "rate", number: true, value: (row) => row.rate, text: (row) => row.rate ? rateText(row.rate) : "" },
      { name: "acked", number: true, value: (row) => row.acked,
        text: (row) => row.acked === null ? "" : agoText(this.now() - row.acked) },
      { name: "winners", number: true, value: (row) => row.winners,
        text: (row) => row.winners === null ? "" : wholeText(row.winners) },
      { name: "why", value: (row) => row.why, text: (row) => row.why },
    ];
    return columns.map((column) => ({ ...column, title: words.columns[column.name] }));
  }

  forget() {
    this.agencies.clear();
    this.draw = null;
  }

  /** Take rows as the central tells them. */
  take({ draw, rows }) {
    if (draw !== this.draw) this.forget();
    this.draw = draw;
    for (const [agency, name, dialect, state, bets, rate, acked, why, winners] of rows) {
      if (state === "gone") {
        this.agencies.delete(agency);
        continue;
      }
      const sought = searchable(`${agency} ${name} ${words.states[state]}`);
      this.agencies.set(agency, {
        agency, name, dialect, state, bets, rate, acked, why: whyText(why), winners, sought,
      });
    }
  }

  show() {
    // Rows that were forgotten stay in sight until others come.
    if (this.draw === null) return;
    const sought = searchable(find("#search").value.trim()), all = [...this.agencies.values()];
    const alike = sought ? all.filter((row) => row.sought.includes(sought)) : all;
    const state = this.state.value, found = state ? alike.filter((row) => row.state === state) : alike;
    this.table.show(found);
    this.showStates(alike);
    setText(find("#agencies-count"), all.length ? words.shown(wholeText(found.length), wholeText(all.length)) : "");
    setNote(find("#agencies-none"), !all.length ? words.noAgencies : found.length ? "" : words.noneFound);
  }

  /** Show how many are in each state, but not while somebody is choosing. */
  showStates(rows) {
    if (this.state === document.activeElement) return;
    const counts = new Map([["", rows.length]]);
    for (const { state } of rows) counts.set(state, (counts.get(state) ?? 0) + 1);
    for (const option of this.state.options) {
      const name = option.value ? words.states[option.value] : words.anyState;
      setText(option, `${name} (${wholeText(counts.get(option.value) ?? 0)})`);
    }
  }
}

/** A text as it is searched: "cordoba" finds Córdoba. */
function searchable(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
