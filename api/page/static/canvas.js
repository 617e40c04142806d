// Rectangles on a picture: draw, move and resize them with the pointer or with the keys.

import { make, text } from "./common.js";

const GRIP = 12; // pixels of the screen around a corner that resize
const SVG = "http://www.w3.org/2000/svg";
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const between = (value, least, most) => Math.max(least, Math.min(most, Math.round(value)));

/** The middle of a picture, where a box begins that is not drawn with the pointer. */
export function middle({ naturalWidth: width, naturalHeight: height }) {
  const at = (side, part) => Math.round((side * part) / 3);
  return { left: at(width, 1), top: at(height, 1), right: at(width, 2), bottom: at(height, 2) };
}

/** A picture with the boxes of a list; returns its element and what draws the boxes again.
 *
 * `list` has `boxes`, `current`, `most`, `put(index, box)` and `remove(index)`. */
export function canvas(image, list) {
  const { naturalWidth: width, naturalHeight: height } = image;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const element = make("div", { class: "canvas", tabindex: 0, role: "application", "aria-label": text("draw") }, image, svg);

  function draw() {
    svg.replaceChildren(...list.boxes.flatMap((box, index) => {
      const shape = document.createElementNS(SVG, "rect");
      const sides = { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top };
      if (!Object.values(sides).every(Number.isFinite)) return [];
      for (const [name, value] of Object.entries(sides)) shape.setAttribute(name, Math.max(0, value));
      if (index === list.current) shape.classList.add("current");
      const name = document.createElementNS(SVG, "text");
      name.textContent = list.most > 1 ? index + 1 : "";
      const size = (20 * width) / (image.clientWidth || width);
      for (const [key, value] of Object.entries({ x: box.left + size * 0.35, y: box.top + size * 1.05, "font-size": size })) name.setAttribute(key, value);
      return [shape, name];
    }));
  }

  const at = ({ clientX, clientY }) => {
    const area = image.getBoundingClientRect();
    return [
      between(((clientX - area.left) / area.width) * width, 0, width),
      between(((clientY - area.top) / area.height) * height, 0, height),
    ];
  };

  /** What the pointer does here: resize or move a box that is there, or draw one. */
  function grab([x, y]) {
    const near = (GRIP * width) / (image.clientWidth || width);
    const order = [list.current, ...list.boxes.keys()].filter((index) => list.boxes[index]);
    for (const index of order) {
      const box = list.boxes[index];
      for (const [side, down] of [["left", "top"], ["right", "top"], ["left", "bottom"], ["right", "bottom"]]) {
        if (Math.abs(x - box[side]) > near || Math.abs(y - box[down]) > near) continue;
        const fixed = [side === "left" ? box.right : box.left, down === "top" ? box.bottom : box.top];
        return { index, to: (point) => spanned(fixed, point) };
      }
      if (x > box.left && x < box.right && y > box.top && y < box.bottom) {
        return { index, to: ([right, down]) => moved(box, right - x, down - y) };
      }
    }
    const index = list.boxes.length < list.most ? list.boxes.length : list.current;
    return { index, to: (point) => spanned([x, y], point) };
  }

  const spanned = ([x, y], [right, down]) => ({ left: Math.min(x, right), top: Math.min(y, down), right: Math.max(x, right), bottom: Math.max(y, down) });

  function moved({ left, top, right, bottom }, x, y) {
    const [wide, high] = [right - left, bottom - top];
    const [atLeft, atTop] = [between(left + x, 0, width - wide), between(top + y, 0, height - high)];
    return { left: atLeft, top: atTop, right: atLeft + wide, bottom: atTop + high };
  }

  let held = null;
  element.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    element.focus();
    element.setPointerCapture(event.pointerId);
    held = grab(at(event));
    if (list.boxes[held.index]) list.put(held.index, list.boxes[held.index]);
  });
  element.addEventListener("pointermove", (event) => {
    if (!held) return;
    const box = held.to(at(event));
    if (box.right > box.left && box.bottom > box.top) list.put(held.index, box);
  });
  for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, () => { held = null; });

  element.addEventListener("keydown", (event) => {
    const { key, shiftKey } = event, arrow = ARROWS[key], box = list.boxes[list.current];
    if (["Delete", "Backspace"].includes(key) && box) list.remove(list.current);
    else if (!arrow) return;
    else if (!box) list.put(0, middle(image));
    else {
      const [x, y] = arrow.map((each) => each * Math.max(1, Math.round(width / 50)));
      const right = between(box.right + x, box.left + 1, width), bottom = between(box.bottom + y, box.top + 1, height);
      list.put(list.current, shiftKey ? { ...box, right, bottom } : moved(box, x, y));
    }
    event.preventDefault();
  });
  return { element, draw };
}
