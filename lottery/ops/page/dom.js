// Small things that all parts of the page do to its elements.

export function find(selector) {
  return document.querySelector(selector);
}

/** Make an element that holds a text; never markup, for names and reasons are others' words. */
export function make(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Write a text only if it is another one: what is being read or selected is not to be touched. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show a figure; its exact value stands beside it for who reads the page by program. */
export function setFigure(element, value, text) {
  setText(element, text);
  const exact = String(value ?? "");
  if (element.dataset.value !== exact) element.dataset.value = exact;
}

/** Show a sentence, or nothing if it is empty. */
export function setNote(element, text) {
  setText(element, text);
  element.hidden = !text;
}
