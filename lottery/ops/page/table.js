// A table of many rows that change all the time: sorted, and touched only where it changes.

import { make, setNote } from "./dom.js";
import { compareTexts, wholeText, words } from "./words.js";

/** More rows would only make a browser slow; who looks for others searches. */
const MOST_SHOWN = 500;

export class Table {
  /**
   * @param element a table with an empty thead and tbody
   * @param columns an array of
   *   name: of the cells, as data-cell; title: its heading; number: whether it holds figures;
   *   value(item): what is sorted by, null if there is none;
   *   text(item): what is shown; a cell is written again when it changes;
   *   fill(cell, item): how it is written, if it is more than a text
   * @param options key: the member that tells items apart, and what a row is named by as data-KEY;
   *   sorted: the name of the column to sort by at first, with "-" in front for the largest first;
   *   note: an element where it is said that there are more rows than are shown
   */
  constructor(element, columns, { key, sorted, note }) {
    this.columns = columns;
    this.key = key;
    this.note = note;
    this.body = element.tBodies[0];
    this.items = [];
    this.more = 0;
    this.rows = new Map();
    this.down = sorted.startsWith("-");
    this.sorted = columns.find(({ name }) => name === sorted.replace("-", ""));
    this.heads = columns.map((column) => this.makeHead(column));
    element.tHead.replaceChildren(make("tr"));
    element.tHead.rows[0].append(...this.heads);
    this.showOrder();
  }

  makeHead(column) {
    const head = make("th", "", { scope: "col", "data-cell": column.name });
    const button = make("button", column.title, { type: "button" });
    head.classList.toggle("number", Boolean(column.number));
    button.addEventListener("click", () => this.sortBy(column));
    head.append(button);
    return head;
  }

  /** Sort by a column; by the same one again: the other way round. */
  sortBy(column) {
    this.down = this.sorted === column ? !this.down : Boolean(column.number);
    this.sorted = column;
    this.showOrder();
    this.show(this.items, this.more);
  }

  showOrder() {
    this.columns.forEach((column, index) => {
      if (column !== this.sorted) this.heads[index].removeAttribute("aria-sort");
      else this.heads[index].setAttribute("aria-sort", this.down ? "descending" : "ascending");
    });
  }

  /** Show these items, and no others.
   * @param more how many there are besides, which nobody has told us of
   */
  show(items, more = 0) {
    this.items = items;
    this.more = more;
    const shown = [...items].sort(this.order()).slice(0, MOST_SHOWN);
    // What somebody is selecting stays where it is, and as it is.
    const selection = getSelection();
    const held = !selection.isCollapsed && this.body.contains(selection.anchorNode) ? selection : null;
    if (!held) this.place(shown);
    for (const item of shown) this.write(item, held);
    const left = items.length - shown.length + more;
    setNote(this.note, left ? words.moreRows(wholeText(shown.length), wholeText(left)) : "");
  }

  order() {
    const { value } = this.sorted, { key } = this, sign = this.down ? -1 : 1;
    const compare = (a, b) => typeof a === "string" ? compareTexts(a, b) : a - b;
    return (one, other) => {
      const a = value(one), b = value(other);
      // Those without a value come last, whichever way; equal ones keep an order of their own.
      if (a === null || b === null) return (a === null) - (b === null) || one[key] - other[key];
      return sign * compare(a, b) || one[key] - other[key];
    };
  }

  /** Put rows in their order; one that stands right already is not moved. */
  place(items) {
    const rows = items.map((item) => this.rowOf(item)), staying = new Set(rows);
    for (const [name, row] of this.rows) {
      if (staying.has(row)) continue;
      row.remove();
      this.rows.delete(name);
    }
    let next = this.body.firstElementChild;
    for (const row of rows) {
      // If one has gone down, it is taken away until its turn comes, and not all others moved up.
      if (next && next.nextElementSibling === row) {
        next.remove();
        next = row;
      }
      if (next === row) next = row.nextElementSibling;
      else this.body.insertBefore(row, next);
    }
  }

  rowOf(item) {
    const name = String(item[this.key]);
    let row = this.rows.get(name);
    if (!row) {
      row = make("tr", "", { [`data-${this.key}`]: name });
      row.append(...this.columns.map((column) => this.makeCell(column)));
      // What its cells show, to see without asking the page whether that is another text now.
      row.texts = [];
      this.rows.set(name, row);
    }
    return row;
  }

  makeCell(column) {
    const cell = make("td", "", { "data-cell": column.name, "data-label": column.title });
    cell.classList.toggle("number", Boolean(column.number));
    // It is the first cell that tells whose row it is, in a table that reads out its cells.
    if (column === this.columns[0]) cell.setAttribute("role", "rowheader");
    return cell;
  }

  /** Write what has changed in the row of an item. */
  write(item, held) {
    const row = this.rows.get(String(item[this.key]));
    if (!row) return;
    if (item.state !== undefined && row.dataset.state !== item.state) row.dataset.state = item.state;
    this.columns.forEach((column, index) => {
      const cell = row.cells[index], text = column.text(item);
      if (row.texts[index] === text || held?.containsNode(cell, true)) return;
      row.texts[index] = text;
      if (column.fill) column.fill(cell, item);
      else if (cell.firstChild) cell.firstChild.data = text;
      else cell.textContent = text;
      if (column.number) cell.dataset.value = column.value(item) ?? "";
    });
  }
}
