// What all views share: texts, elements, streams.

export const base = document.body.dataset.base;
const texts = JSON.parse(document.getElementById("texts").textContent);

/** A text of the catalog with its {values} filled in. */
export function text(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** An element: attributes, then children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export function find(selector, within = document) {
  return within.querySelector(selector);
}

export function findAll(selector, within = document) {
  return [...within.querySelectorAll(selector)];
}

/** Scroll the row of links that has this one, until it is in the middle. `scrollIntoView` would also let Tab begin there. */
export function center(link) {
  const row = link?.closest("nav");
  if (row) row.scrollLeft += middle(link) - middle(row);
}

function middle(element) {
  const { left, width } = element.getBoundingClientRect();
  return left + width / 2;
}

export function seconds(value) {
  if (value == null) return "–";
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 60) return `${Math.round(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
}

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) [bytes, unit] = [bytes / 1000, unit + 1];
  return `${unit && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}

/** A part of a page, rendered by the server; null if there is none now. */
export async function part(path) {
  try {
    const response = await fetch(base + path, { cache: "no-store" });
    if (!response.ok) return null;
    const template = document.createElement("template");
    template.innerHTML = await response.text();
    return template.content.firstElementChild;
  } catch {
    return null; // the server restarts: the stream connects again and asks for it again
  }
}

/** The JSON at a path of the API; null if the API refuses. */
export async function json(path, options = {}) {
  try {
    const response = await fetch(base + path, { cache: "no-store", ...options });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** Send a form with files; the answer's status and JSON. */
export async function send(path, options) {
  const response = await fetch(base + path, { method: "POST", ...options });
  return { status: response.status, answer: await response.json().catch(() => ({})) };
}

/** Follow a stream of events until `close` is called; the browser connects again by itself.
 *
 * Where it gives up, such as at a 503 while the server restarts, this begins again. */
export function follow(path, names, onEvent) {
  let source, timer, closed = false;
  const open = () => {
    if (closed) return;
    source = new EventSource(base + path);
    for (const name of names) {
      source.addEventListener(name, (event) => onEvent(name, JSON.parse(event.data), event));
    }
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, 3000);
    });
  };
  const close = () => {
    closed = true;
    clearTimeout(timer);
    source?.close();
  };
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  open();
  return close;
}
