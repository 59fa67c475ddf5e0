// Charts as SVG. What they show stands in words beside them too, for whoever does not see them.

const SPACE = "http://www.w3.org/2000/svg";
const LEFT = 60, RIGHT = 8, TOP = 22, BOTTOM = 20;
/** What lies apart further than so many seconds is not joined by a line. */
const GAP_SECONDS = 5;
const WINDOW_SECONDS = 300;

/** Draw lines over the last minutes.
 * @param points [[time, value, ...], ...], values null where there is none
 * @param names  one for each line, shown as a key if there are several
 * @param scale  of the values: linearScale or decadeScale
 * @param written unit: of the values; value(v), time(t): how they are written
 */
export function drawLines(svg, points, names, scale, written) {
  const { width, height } = sizeOf(svg);
  const last = points.at(-1)?.[0] ?? 0, first = Math.min(points[0]?.[0] ?? 0, last - WINDOW_SECONDS);
  const values = points.flatMap((point) => point.slice(1)).filter((value) => value !== null);
  const { ticks, part } = scale(values);
  const x = (time) => LEFT + (width - LEFT - RIGHT) * (time - first) / (last - first);
  const y = (value) => TOP + (height - TOP - BOTTOM) * (1 - part(value));
  const parts = [label(written.unit, 0, 11, "start")];
  for (const tick of ticks) {
    parts.push(rule(y(tick), width), label(written.value(tick), LEFT - 8, y(tick) + 4, "end"));
  }
  const apart = width < 450 ? 120 : 60;
  for (let time = Math.ceil(first / apart) * apart; points.length && time <= last; time += apart) {
    // A time at the very edge would be cut off.
    if (x(time) < LEFT + 20 || x(time) > width - 24) continue;
    parts.push(label(written.time(time), x(time), height - 4, "middle"));
  }
  names.forEach((name, line) => {
    parts.push(element("path", { class: `line line-${line}`, d: path(points, line + 1, x, y) }));
    if (names.length < 2) return;
    const at = width - RIGHT - 75 * (names.length - 1 - line);
    parts.push(label(name, at, 11, "end", `key key-${line}`));
  });
  svg.replaceChildren(...parts);
}

/** From zero up to a round figure. */
export function linearScale(values) {
  const top = niceTop(Math.max(2, ...values));
  return { ticks: [0, top / 2, top], part: (value) => value / top };
}

/** In powers of ten, where what is small is to be seen beside what is a thousand times larger. */
export function decadeScale(values) {
  const positive = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...positive, 1e-3)) + 1e-9);
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive, 1e-2)) - 1e-9));
  const ticks = Array.from({ length: high - low + 1 }, (_, step) => 10 ** (low + step));
  const part = (value) => Math.max(0, (Math.log10(Math.max(value, 1e-9)) - low) / (high - low));
  return { ticks, part };
}

/** Draw bars, each of so many neighbours of counts; the one with the number that won is marked.
 * @param written value(v): how bets are written; unit: of them; won: the words of the mark;
 *   bar(first, last, bets): says what a bar is for
 */
export function drawNumbers(svg, counts, won, written) {
  const { width, height } = sizeOf(svg);
  const bars = 100, each = counts.length / bars, step = (width - LEFT - RIGHT) / bars;
  const sums = Array.from({ length: bars }, (_, bar) =>
    counts.slice(bar * each, (bar + 1) * each).reduce((sum, count) => sum + count, 0));
  const { ticks, part } = linearScale(sums);
  const y = (bets) => TOP + (height - TOP - BOTTOM) * (1 - part(bets));
  const parts = [label(written.unit, 0, 11, "start")];
  for (const tick of ticks) {
    parts.push(rule(y(tick), width), label(written.value(tick), LEFT - 8, y(tick) + 4, "end"));
  }
  sums.forEach((bets, bar) => {
    const marked = won !== null && Math.floor(won / each) === bar, x = LEFT + bar * step;
    const rect = element("rect", {
      class: marked ? "won" : "", "data-bets": bets,
      x, width: Math.max(1, step - 1), y: y(bets), height: y(0) - y(bets),
    });
    const title = element("title", {});
    title.textContent = written.bar(bar * each, (bar + 1) * each - 1, bets);
    rect.append(title);
    parts.push(rect);
  });
  for (const number of [0, 2500, 5000, 7500, 9999]) {
    const anchor = number === 0 ? "start" : number === 9999 ? "end" : "middle";
    parts.push(label(String(number), LEFT + (width - LEFT - RIGHT) * number / 9999, height - 4, anchor));
  }
  if (won !== null) {
    // Not by its colour alone.
    const bar = Math.floor(won / each), x = LEFT + (bar + 0.5) * step;
    parts.push(...mark(written.won, x, y(sums[bar]), width));
  }
  svg.replaceChildren(...parts);
}

/** A flag above all bars, with its pole on the one that is meant. */
function mark(text, x, y, width) {
  const anchor = x > width * 0.8 ? "end" : x < width * 0.2 ? "start" : "middle";
  return [
    element("line", { class: "mark", x1: x, x2: x, y1: 14, y2: y }),
    label(text, x, 11, anchor, "mark"),
  ];
}

function path(points, index, x, y) {
  let text = "", before = null;
  for (const point of points) {
    if (point[index] === null) { before = null; continue; }
    const joined = before !== null && point[0] - before < GAP_SECONDS;
    text += `${joined ? "L" : "M"}${x(point[0]).toFixed(1)} ${y(point[index]).toFixed(1)}`;
    // A point alone is seen as a dot.
    if (!joined) text += "h1";
    before = point[0];
  }
  return text;
}

/** The next of 1, 2, 5 and 10 times a power of ten, so that the axis has round figures. */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value) + 1e-9);
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

/** A unit of the drawing is a pixel of the screen, so that texts have their size on any. */
function sizeOf(svg) {
  const width = svg.clientWidth || 600, height = svg.clientHeight || 160;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  return { width, height };
}

function rule(y, width) {
  return element("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: y, y2: y });
}

function label(text, x, y, anchor, name = "label") {
  const made = element("text", { class: name, x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}

function element(name, attributes) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
