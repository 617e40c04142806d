// A field of one or several boxes on the picture: a choice by name, boxes drawn on it, or numbers.

import { find, findAll, make, text } from "./common.js";
import { canvas, middle } from "./canvas.js";

const SIDES = ["left", "top", "right", "bottom"];
const parsed = (value) => { try { return JSON.parse(value); } catch { return value; } };

export function enrichBox(field, form) {
  const area = find("textarea, input", field);
  const { most, choices, first } = field.dataset, numbered = "number" in field.dataset;
  const named = JSON.parse(choices || "[]"), many = Number(most || 1) > 1;
  const list = { boxes: [], current: 0, most: Number(most || 1), put, remove };
  const stage = make("div", { class: "canvas-place" }, make("p", { class: "small" }, text("draw_first")));
  const rows = make("div", { class: "boxes" });
  const add = make("button", { type: "button", class: "mini", onclick: addBox }, `+ ${text("add_box")}`);
  const drawing = make("div", { class: "drawing" }, stage, rows, add);
  const index = make("input", { type: "number", min: 0, step: 1, value: 0, "aria-label": text("by_number") });
  const mode = make("select", {}, ...named.map((each) => make("option", { value: each }, each.replaceAll("_", " "))));
  if (numbered) mode.append(make("option", { value: "#" }, text("by_number")));
  mode.append(make("option", { value: "[]" }, text(many ? "by_boxes" : "by_box")));
  const chosen = named.length ? mode : null;
  area.hidden = true;
  area.after(...[chosen, index, drawing].filter(Boolean));
  const label = find("label", field);
  if (label && chosen) label.setAttribute("for", (mode.id = `${area.id}-by`));
  else if (label) label.setAttribute("for", (add.id = `${area.id}-add`));
  const note = chosen ?? add;
  note.setAttribute("aria-describedby", area.getAttribute("aria-describedby") ?? "");
  area.removeAttribute("aria-describedby");
  let picture, image = null, draw = () => null;

  function put(at, box) {
    list.boxes[at] = box;
    list.current = at;
    show();
  }

  function remove(at) {
    list.boxes.splice(at, 1);
    list.current = Math.max(0, Math.min(list.current, list.boxes.length - 1));
    show();
    add.focus();
  }

  function addBox() {
    put(list.boxes.length, image ? middle(image) : {});
    find("input", rows.lastElementChild).select();
  }

  /** The numbers of the boxes; rows that are there stay, so that one can type in them. */
  function show() {
    while (rows.childElementCount > list.boxes.length) rows.lastElementChild.remove();
    while (rows.childElementCount < list.boxes.length) rows.append(row(rows.childElementCount));
    findAll(".box-row", rows).forEach((each, at) => {
      each.classList.toggle("current", at === list.current && many);
      for (const input of findAll("input", each)) {
        const value = list.boxes[at][input.dataset.side];
        if (input !== document.activeElement) input.value = Number.isFinite(value) ? value : "";
      }
    });
    add.hidden = list.boxes.length >= list.most;
    draw();
    write();
  }

  function row(at) {
    const inputs = SIDES.map((side) => make("label", {}, text(side), make("input", { type: "number", min: 0, step: 1, "data-side": side })));
    const clear = make("button", { type: "button", class: "mini plain", onclick: () => remove([...rows.children].indexOf(clear.parentElement)) }, text(many ? "remove" : "clear"));
    return make("fieldset", { class: "box-row" }, make("legend", { class: many ? "" : "hidden" }, text("box", { number: many ? at + 1 : "" })), make("div", { class: "numbers" }, ...inputs), clear);
  }

  function write() {
    const by = chosen?.value ?? "[]";
    const boxes = list.boxes.map((box) => Object.fromEntries(SIDES.filter((side) => Number.isFinite(box[side])).map((side) => [side, box[side]])));
    const value = by === "#" ? index.value : by === "[]" ? (many ? boxes : boxes[0]) : by;
    const empty = value === undefined || value === first || value.length === 0;
    index.hidden = by !== "#";
    drawing.hidden = by !== "[]";
    area.value = empty ? "" : typeof value === "string" ? value : JSON.stringify(value);
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  rows.addEventListener("input", ({ target }) => {
    const at = [...rows.children].indexOf(target.closest(".box-row"));
    put(at, { ...list.boxes[at], [target.dataset.side]: Math.round(target.valueAsNumber) });
  });
  rows.addEventListener("focusin", ({ target }) => {
    const at = [...rows.children].indexOf(target.closest(".box-row"));
    if (at !== list.current && target.dataset.side) put(at, list.boxes[at]);
  });
  mode.addEventListener("change", write);
  index.addEventListener("input", write);

  /** Show the first picture or clip of the form, at the size in which it is sent. */
  async function showPicture() {
    const { url, type } = findAll(".field.media[data-kind=image], .field.media[data-kind=video]", form).map(sourceOf).find(Boolean) ?? {};
    if (url === picture) return;
    picture = url;
    if (!url) return forget();
    const fresh = make("img", { alt: "", draggable: "false" });
    const shown = type.startsWith("video/") ? await firstFrame(url).catch(() => null) : url;
    if (url !== picture) return;
    if (!shown) return forget(); // the pixels of a bucket's clip may not be read: numbers are typed
    fresh.src = shown;
    await fresh.decode().catch(() => null);
    if (!fresh.naturalWidth || url !== picture) return;
    image = fresh;
    const drawn = canvas(image, list);
    draw = drawn.draw;
    stage.replaceChildren(make("p", { class: "small" }, text(many ? "draw_many" : "draw")), drawn.element);
    draw();
  }

  function forget() {
    [image, draw] = [null, () => null];
    stage.replaceChildren(make("p", { class: "small" }, text("draw_first")));
  }

  function begin() {
    const before = parsed(area.value || "null");
    if (Array.isArray(before)) list.boxes = before;
    else if (before && typeof before === "object") list.boxes = [before];
    if (list.boxes.length || !named.length) mode.value = "[]";
    else if (typeof before === "number") [mode.value, index.value] = ["#", before];
    else mode.value = before ?? first ?? named[0];
    show();
  }

  form.addEventListener("change", showPicture);
  begin();
  showPicture();
}

/** The file that a field of media sends: a chosen one, or that of an earlier job. */
function sourceOf(field) {
  if (field.file) return { url: field.url, type: field.file.type };
  const kept = find("[data-kept]", field);
  return kept && find("input", kept).checked ? { url: kept.dataset.kept, type: kept.dataset.type } : null;
}

async function firstFrame(url) {
  const video = make("video", { src: url, muted: true, preload: "auto" });
  await new Promise((done) => { for (const name of ["loadeddata", "error"]) video.addEventListener(name, done, { once: true }); });
  const frame = make("canvas", { width: video.videoWidth || 1, height: video.videoHeight || 1 });
  frame.getContext("2d").drawImage(video, 0, 0);
  return frame.toDataURL("image/jpeg");
}
