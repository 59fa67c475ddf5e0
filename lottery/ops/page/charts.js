// Charts as SVG. What they show stands in words beside them too, for whoever does not see them.

const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 600, HEIGHT = 160, LEFT = 64, BOTTOM = 22, TOP = 14;
// What lies apart further than so many seconds is not joined by a line.
const GAP_SECONDS = 5;

/** Draw lines over time.
 * @param points [[time, value, value, ...], ...], values null where there is none
 * @param names  one for each line, shown as a key if there are several
 */
export function drawLines(svg, points, names, format, clock) {
  const values = points.flatMap((point) => point.slice(1)).filter((value) => value !== null);
  const most = niceTop(Math.max(0, ...values));
  const first = points[0]?.[0] ?? 0, last = points.at(-1)?.[0] ?? 1;
  const x = (time) => LEFT + (WIDTH - LEFT - 6) * (time - first) / Math.max(1, last - first);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most);
  const parts = [];
  for (const part of [0, 0.5, 1]) {
    parts.push(element("line", { class: "axis", x1: LEFT, x2: WIDTH, y1: y(most * part), y2: y(most * part) }));
    parts.push(label(format(most * part), LEFT - 6, y(most * part) + 4, "end"));
  }
  if (points.length > 1) {
    parts.push(label(clock(first), LEFT, HEIGHT - 5, "start"), label(clock(last), WIDTH - 4, HEIGHT - 5, "end"));
  }
  names.forEach((name, line) => {
    const second = line ? " second" : "";
    parts.push(element("path", { class: `line${second}`, d: path(points, line + 1, x, y) }));
    if (names.length > 1) {
      const key = label(name, LEFT + 8 + 70 * line, TOP + 2, "start");
      key.setAttribute("class", `key${second}`);
      parts.push(key);
    }
  });
  svg.replaceChildren(...parts);
}

/** Draw bars, each of so many neighbours of counts; the one with the number that won is marked. */
export function drawNumbers(svg, counts, won, title) {
  const bars = 100, each = counts.length / bars;
  const sums = Array.from({ length: bars }, (_, bar) =>
    counts.slice(bar * each, (bar + 1) * each).reduce((sum, count) => sum + count, 0));
  const most = Math.max(1, ...sums), width = 2 * WIDTH, step = width / bars;
  svg.replaceChildren(...sums.map((bets, bar) => {
    const height = (HEIGHT - BOTTOM) * bets / most;
    const marked = won !== null && Math.floor(won / each) === bar;
    const rect = element("rect", {
      class: marked ? "won" : "", "data-bets": bets,
      x: bar * step + 0.5, width: step - 1, y: HEIGHT - BOTTOM - height, height,
    });
    const text = element("title", {});
    text.textContent = title(bar * each, (bar + 1) * each - 1, bets);
    rect.append(text);
    return rect;
  }), ...[0, 2500, 5000, 7500].map((number) => label(number, width * number / 10000, HEIGHT - 5, "start")),
  label(9999, width, HEIGHT - 5, "end"));
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

/** The next of 1, 2 and 5 times a power of ten, so that the axis has round figures. */
function niceTop(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function label(text, x, y, anchor) {
  const made = element("text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}

function element(name, attributes) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
