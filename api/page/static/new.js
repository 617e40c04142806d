// The form of a new job: files with previews, sliders, rows, boxes, errors at their fields.

import { base, center, find, findAll, json, make, seconds, text } from "./common.js";
import { enrichMedia } from "./media.js";
import { enrichBox } from "./box.js";
import { enrichRows } from "./rows.js";
import { codePanel } from "./code.js";

let form, busy = false;

export function start() {
  form = find(".job-form");
  if (!form) return;
  center(find(".picker [aria-current]"));
  findAll(".field.media", form).forEach(enrichMedia);
  findAll("[data-slider]", form).forEach(addSlider);
  findAll(".field.seed", form).forEach(addDice);
  findAll(".field.rows, .field.group", form).forEach(enrichRows);
  findAll(".field.box", form).forEach((field) => enrichBox(field, form));
  findAll("textarea[maxlength]:not(.code)", form).forEach(countCharacters);
  const panel = find("[data-code]");
  const draw = codePanel(panel, () => described());
  form.addEventListener("input", draw);
  form.addEventListener("change", draw);
  form.addEventListener("submit", submit);
  form.addEventListener("change", estimateSoon);
  estimate();
}

function addSlider(input) {
  const range = make("input", {
    type: "range", min: input.min, max: input.max, step: input.step, value: input.value,
    "aria-label": find(`label[for="${input.id}"]`).textContent,
  });
  range.addEventListener("input", () => {
    input.value = range.value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  input.addEventListener("input", () => { if (input.value !== "") range.value = input.value; });
  input.before(range);
}

function addDice(field) {
  const input = find("input", field);
  const roll = () => {
    const [number] = crypto.getRandomValues(new Uint32Array(1));
    input.value = Math.min(number, Number(input.max || 2 ** 32 - 1));
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  input.parentElement.append(make("button", { type: "button", class: "mini", onclick: roll }, `⚄ ${text("roll")}`));
}

function countCharacters(area) {
  const count = make("span", { class: "small" });
  const most = Number(area.getAttribute("maxlength"));
  const show = () => { count.textContent = area.value.length > most * 0.7 ? text("characters", { number: most - area.value.length }) : ""; };
  area.addEventListener("input", show);
  find(".label", area.closest(".field")).append(count);
}

/** What would be sent: names with texts or files, without what is left as it was. */
export function entries() {
  const given = new Map();
  for (const [name, value] of new FormData(form)) {
    if (given.has(name)) continue;
    const file = value instanceof File;
    if (file ? value.size || value.name : value !== "") given.set(name, value);
  }
  for (const [name, file] of mediaFiles()) given.set(name, file);
  for (const input of findAll("[data-default]", form)) {
    if (input.name && String(given.get(input.name) ?? "") === input.dataset.default) given.delete(input.name);
  }
  for (const area of findAll("textarea", form)) {
    if (area.value === area.defaultValue && area.closest(".long_text") && !area.value) given.delete(area.name);
  }
  if (given.get("priority") === "normal") given.delete("priority");
  return given;
}

function* mediaFiles() {
  for (const field of findAll(".field.media", form)) {
    if (field.file) yield [field.dataset.field, field.file];
  }
}

/** The job for the snippets of code: values as JSON, files by their names. */
function described() {
  const input = {}, files = {}, envelope = {};
  for (const [name, value] of entries()) {
    if (value instanceof File) files[name] = value.name;
    else if (["model", "labels", "priority"].includes(name)) envelope[name] = value;
    else input[name] = plain(name, value);
  }
  for (const field of findAll(".field.media", form)) {
    const name = field.dataset.field;
    const needed = find(".must", field) || !Object.keys(files).length;
    if (!(name in files) && !(name in input) && needed) files[name] = { image: "face.jpg", video: "clip.mp4", audio: "voice.wav" }[field.dataset.kind];
  }
  return { model: form.dataset.model, input, files, ...envelope };
}

function plain(name, value) {
  const field = find(`[data-field="${CSS.escape(name)}"]`, form);
  if (["text", "long_text", "image", "video", "audio"].includes(field?.dataset.kind)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function submit(event) {
  event.preventDefault();
  if (busy) return;
  const body = new FormData();
  for (const [name, value] of entries()) body.append(name, value);
  const request = new XMLHttpRequest(); // fetch reports no progress of an upload
  const bar = find(".send progress"), button = find(".send .primary"), label = button.textContent;
  request.open("POST", `${base}/v1/jobs`);
  request.upload.onprogress = ({ loaded, total, lengthComputable }) => {
    bar.hidden = false;
    if (!lengthComputable) return;
    bar.value = loaded / total;
    button.textContent = loaded < total ? `${text("uploading")} ${Math.round((100 * loaded) / total)} %` : text("checking");
    if (loaded === total) bar.removeAttribute("value");
  };
  const ended = () => {
    busy = false;
    bar.hidden = true;
    button.disabled = false;
    button.textContent = label;
  };
  request.onerror = () => { ended(); showProblem({ detail: text("network_error"), errors: [] }); };
  request.onload = () => {
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch { answer = { detail: request.statusText }; }
    if (request.status < 300) location.assign(`${base}/jobs/${answer.id}`);
    else if (request.status === 401) location.reload();
    else { ended(); showProblem(answer); }
  };
  busy = true;
  button.disabled = true;
  clearErrors();
  request.send(body);
}

function clearErrors() {
  find("[data-problem]").hidden = true;
  for (const note of findAll(".field .wrong", form)) [note.hidden, note.textContent] = [true, ""];
  for (const input of findAll("[aria-invalid]", form)) input.removeAttribute("aria-invalid");
}

/** The summary on top, and each error at the field that its pointer names. */
function showProblem(problem) {
  const summary = find("[data-problem]");
  const errors = problem.errors ?? [];
  find("[data-detail]", summary).textContent = errors.length ? "" : problem.detail ?? "";
  const list = find("[data-errors]", summary);
  list.replaceChildren();
  for (const { pointer, message: said } of errors) {
    const names = pointer.split("/").slice(1);
    const name = names[0] === "input" ? names[1] : names[0];
    const field = find(`[data-field="${CSS.escape(name ?? "")}"]`, form);
    const within = names.slice(2).map((part) => (/^\d+$/.test(part) ? text("row", { number: Number(part) + 1 }) : part));
    const message = [...within, said].join(", ");
    if (field) markField(field, message);
    const label = field ? find("label", field).textContent.trim() : pointer;
    list.append(make("li", {}, field ? make("a", { href: `#${control(field).id}` }, label) : label, ": ", ...marked(message)));
  }
  summary.hidden = false;
  summary.focus();
  summary.scrollIntoView({ block: "center" });
}

/** A message of the API: what it has between backticks is code. */
const marked = (message) => message.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));

/** The control that the notes of a field describe. */
const control = (field) => find("[aria-describedby]", field);

function markField(field, message) {
  const note = find(".wrong", field), input = control(field);
  if (note.textContent) note.append(" ");
  note.append(...marked(message[0].toUpperCase() + message.slice(1)));
  note.hidden = false;
  input.setAttribute("aria-invalid", "true");
  for (let fold = field.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
}

const MOST_ESTIMATED = 8_000_000; // bytes of files that are sent for an estimate alone

let timer, asked = 0;

function estimateSoon() {
  clearTimeout(timer);
  timer = setTimeout(estimate, 700);
}

/** How long the job would take, by a dry run; while the form is not complete, when it would start. */
async function estimate() {
  const given = entries(), turn = (asked += 1);
  const files = [...given.values()].filter((value) => value instanceof File);
  const complete = findAll(".must", form).every((mark) => given.has(mark.closest("[data-field]").dataset.field));
  if (!complete || files.reduce((sum, { size: bytes }) => sum + bytes, 0) > MOST_ESTIMATED) return estimateWait();
  const body = new FormData();
  for (const [name, value] of given) body.append(name, value);
  try {
    const response = await fetch(`${base}/estimate`, { method: "POST", body });
    const answer = response.status === 200 ? await response.json() : null;
    if (turn !== asked) return;
    if (!answer?.seconds) return estimateWait();
    const [time, gpu] = [seconds(answer.seconds.p50), seconds(answer.gpu_seconds?.p50)];
    find("[data-estimate]").textContent = text("estimate_run", { time, gpu });
  } catch {
    // an estimate is not worth an error
  }
}

async function estimateWait() {
  const queues = await json("/v1/queues");
  const queue = queues?.items.find(({ model }) => model === form.dataset.model);
  if (!queue) return;
  const place = find("[data-estimate]");
  if (!queue.workers) place.textContent = text("estimate_none");
  else if (queue.wait_seconds == null) place.textContent = text("estimate_workers", { number: queue.workers });
  else if (queue.wait_seconds < 1) place.textContent = text("estimate_now");
  else place.textContent = text("estimate_wait", { time: seconds(queue.wait_seconds) });
}
