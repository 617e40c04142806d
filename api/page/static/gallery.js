// The gallery: many live jobs on one stream, and two jobs selected to compare.

import { base, find, findAll, follow, json, part, text } from "./common.js";

const FINAL = ["succeeded", "failed", "canceled"];

export function start() {
  document.addEventListener("change", choose);
  const list = find(".gallery");
  if (list?.dataset.live === "yes") poll();
}

/** Look at the jobs that are not final yet. */
function poll() {
  const live = findAll(".card").filter((card) => !FINAL.includes(card.dataset.status));
  if (!live.length) return;
  setTimeout(async () => {
    if (!document.hidden) await refresh(live);
    poll();
  }, 2000);
}

async function refresh(cards) {
  const page = await json(`/v1/jobs?limit=200`);
  const jobs = new Map((page?.items ?? []).map((job) => [job.id, job]));
  for (const card of cards) {
    const job = jobs.get(card.dataset.job);
    if (!job) continue;
    if (job.status !== card.dataset.status) await replace(card);
    else showProgress(card, job.progress);
  }
}

export async function replace(card) {
  const fresh = await part(`/jobs/${card.dataset.job}?part=card`);
  if (fresh) card.replaceWith(fresh);
}

export function showProgress(card, { percent }) {
  const meter = find("[data-meter]", card);
  if (!meter) return;
  if (percent == null) meter.removeAttribute("value");
  else meter.value = percent;
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
