// A box in pixels of the picture: drawn with the pointer, moved with the keys, or typed.

import { find, findAll, make, text } from "./common.js";

const SIDES = ["left", "top", "right", "bottom"];

export function enrichBox(field, form) {
  const area = find("textarea, input", field);
  area.hidden = true;
  const numbers = SIDES.map((side) => make("input", { type: "number", min: 0, step: 1, "data-side": side }));
  const row = make("div", { class: "numbers" }, ...numbers.map((input) => make("label", {}, text(input.dataset.side), input)));
  const stage = make("div", { class: "canvas-place" }, make("p", { class: "small" }, text("draw_first")));
  const clearButton = make("button", { type: "button", class: "mini", onclick: () => set(null) }, text("clear"));
  area.after(stage, row, clearButton);
  const label = find("label", field);
  if (label) { numbers[0].id = `${area.id}-left`; label.setAttribute("for", numbers[0].id); }
  let picture = null, shape = null;

  function read() {
    try {
      const value = JSON.parse(area.value);
      return SIDES.every((side) => Number.isFinite(value?.[side])) ? value : null;
    } catch {
      return null;
    }
  }

  function set(box) {
    area.value = box ? JSON.stringify(box) : "";
    for (const input of numbers) input.value = box ? box[input.dataset.side] : "";
    draw();
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function draw() {
    if (!shape) return;
    const box = read();
    for (const [name, value] of Object.entries(box ? { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top } : { width: 0, height: 0 })) {
      shape.setAttribute(name, Math.max(0, value));
    }
  }

  function typed() {
    const box = Object.fromEntries(numbers.map((input) => [input.dataset.side, Math.round(input.valueAsNumber)]));
    area.value = SIDES.some((side) => Number.isFinite(box[side])) ? JSON.stringify(box) : "";
    draw();
  }

  /** Show the picture of the form's first picture field, at the size in which it is sent. */
  async function showPicture() {
    const source = findAll(".field.media[data-kind=image], .field.media[data-kind=video]", form).find((each) => each.file);
    const url = source?.url;
    if (!url || url === picture) return;
    picture = url;
    const image = make("img", { alt: text("draw"), draggable: "false" });
    if (source.file.type.startsWith("video/")) image.src = await firstFrame(url);
    else image.src = url;
    await image.decode().catch(() => null);
    if (!image.naturalWidth) return;
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${image.naturalWidth} ${image.naturalHeight}`);
    svg.setAttribute("preserveAspectRatio", "none");
    shape = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    svg.append(shape);
    const canvas = make("div", { class: "canvas", tabindex: 0, role: "application", "aria-label": text("draw") }, image, svg);
    listen(canvas, image);
    stage.replaceChildren(make("p", { class: "small" }, text("draw")), canvas);
    draw();
  }

  function listen(canvas, image) {
    const at = (event) => {
      const area = image.getBoundingClientRect();
      const inside = (value, most) => Math.max(0, Math.min(most, Math.round(value)));
      return [
        inside(((event.clientX - area.left) / area.width) * image.naturalWidth, image.naturalWidth),
        inside(((event.clientY - area.top) / area.height) * image.naturalHeight, image.naturalHeight),
      ];
    };
    let begin = null;
    canvas.addEventListener("pointerdown", (event) => { begin = at(event); canvas.setPointerCapture(event.pointerId); event.preventDefault(); canvas.focus(); });
    canvas.addEventListener("pointermove", (event) => {
      if (!begin) return;
      const [x, y] = at(event);
      const box = { left: Math.min(x, begin[0]), top: Math.min(y, begin[1]), right: Math.max(x, begin[0]), bottom: Math.max(y, begin[1]) };
      if (box.right > box.left && box.bottom > box.top) set(box);
    });
    canvas.addEventListener("pointerup", () => { begin = null; });
    canvas.addEventListener("keydown", (event) => {
      const step = Math.max(1, Math.round(image.naturalWidth / 50));
      const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
      if (!move) return;
      event.preventDefault();
      const third = (value, part) => Math.round((value * part) / 3);
      const { naturalWidth: width, naturalHeight: height } = image;
      const box = read() ?? { left: third(width, 1), top: third(height, 1), right: third(width, 2), bottom: third(height, 2) };
      const [x, y] = move;
      if (event.shiftKey) set({ ...box, right: Math.max(box.left + 1, Math.min(width, box.right + x)), bottom: Math.max(box.top + 1, Math.min(height, box.bottom + y)) });
      else if (box.left + x >= 0 && box.right + x <= width && box.top + y >= 0 && box.bottom + y <= height) set({ left: box.left + x, top: box.top + y, right: box.right + x, bottom: box.bottom + y });
    });
  }

  row.addEventListener("input", typed);
  form.addEventListener("change", showPicture);
  const before = read();
  if (before) for (const input of numbers) input.value = before[input.dataset.side];
  showPicture();
}

async function firstFrame(url) {
  const video = make("video", { src: url, muted: true, preload: "auto" });
  await new Promise((done) => { video.addEventListener("loadeddata", done, { once: true }); video.addEventListener("error", done, { once: true }); });
  const canvas = make("canvas", { width: video.videoWidth || 1, height: video.videoHeight || 1 });
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.toDataURL("image/jpeg");
}
