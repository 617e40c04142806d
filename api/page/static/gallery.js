// The gallery: all live jobs on one stream of events, and two jobs selected to compare.

import { base, find, findAll, follow, json, part, text } from "./common.js";

const EVENTS = ["job", "ready", "status", "progress", "preview", "done", "deleted"];

export function start() {
  document.addEventListener("change", choose);
  document.addEventListener("submit", cancel);
  const list = find(".gallery");
  if (!list) return;
  const { label, first } = list.dataset;
  const query = label ? `?label=${encodeURIComponent(label)}` : "";
  follow(`/v1/events${query}`, EVENTS, (name, data) => onEvent(list, name, data, first === "yes"));
}

const busy = new Set(), told = new Set(), looks = new Map();

async function onEvent(list, name, data, first) {
  const id = data.job_id ?? data.id;
  if (name === "job") told.add(id);
  const card = id && find(`[data-job="${CSS.escape(id)}"]`, list);
  if (name === "ready") return ended(list);
  if (name === "deleted") return card?.remove();
  if (name === "progress") return card && showProgress(card, data);
  if (name === "preview") return card && showPreview(card, data.etag);
  if (!card) return name === "job" && first && add(list, data);
  if (name === "job" && data.status === card.dataset.status) return showProgress(card, data.progress);
  await replace(card);
}

/** Look again at jobs that no event told of: they ended while no stream was open. */
async function ended(list) {
  for (const card of findAll(".card", list)) {
    const live = ["queued", "running"].includes(card.dataset.status);
    if (live && !told.has(card.dataset.job)) await replace(card);
  }
}

/** Cancel a job and stay here; without the script the form leads to the page of the job. */
async function cancel(event) {
  const form = event.target.closest("[data-cancel]"), card = event.target.closest("[data-job]");
  if (!form) return;
  event.preventDefault();
  find("button", form).disabled = true;
  await json(`/v1/jobs/${card.dataset.job}/cancel`, { method: "POST" });
  await replace(card);
}

async function add(list, job) {
  const { status, model } = list.dataset;
  if (busy.has(job.id) || (status && status !== job.status) || (model && model !== job.model)) return;
  busy.add(job.id);
  const fresh = await part(`/jobs/${job.id}?part=card`);
  if (fresh) list.prepend(fresh);
}

/** Show a job as it is now. While one look at it is under way, others wait and become a single one. */
async function replace({ dataset: { job } }) {
  if (looks.has(job)) return looks.set(job, true);
  do {
    looks.set(job, false);
    const fresh = await part(`/jobs/${job}?part=card`);
    const card = find(`.gallery [data-job="${CSS.escape(job)}"]`);
    if (!fresh || !card) continue;
    const focused = card.contains(document.activeElement);
    card.replaceWith(fresh);
    if (focused) find("a", fresh).focus();
  } while (looks.get(job));
  looks.delete(job);
}

function showProgress(card, { percent }) {
  const meter = find("[data-meter]", card);
  if (!meter) return;
  if (percent == null) meter.removeAttribute("value");
  else meter.value = percent;
}

/** Put a preview in place of the last one once it is loaded. */
function showPreview(card, etag) {
  const image = new Image(320, 180);
  image.alt = "";
  image.onload = () => find(".shot > img, .shot > .poster", card)?.replaceWith(image);
  image.src = `${base}/jobs/${card.dataset.job}/preview?etag=${encodeURIComponent(etag)}`;
}

function choose() {
  const picked = findAll("[data-pick]:checked").map((box) => box.value);
  const tray = find("[data-tray]");
  for (const box of findAll("[data-pick]")) box.disabled = picked.length >= 2 && !box.checked;
  tray.hidden = !picked.length;
  find("p", tray).textContent = text(picked.length === 2 ? "compare_two" : "select_one");
  const link = find("a", tray);
  link.hidden = picked.length !== 2;
  link.href = `${base}/compare?a=${picked[0]}&b=${picked[1] ?? ""}`;
}
