// A job while it happens: one stream of events; the server renders each new state.

import { base, find, follow, json, make, part, seconds, size, text } from "./common.js";
import { codePanel } from "./code.js";

let place, close, ticking;

export function start() {
  place = find("#job");
  enrich();
  watch();
  showCode();
}

function watch() {
  const path = `/v1/jobs/${place.dataset.id}/events`;
  if (["succeeded", "failed", "canceled"].includes(status())) return;
  ticking = setInterval(tick, 1000);
  close = follow(path, ["job", "status", "queue", "progress", "preview", "done"], onEvent);
}

const status = () => find("article", place).dataset.status;

async function onEvent(name, data) {
  if (name === "progress") showProgress(data);
  else if (name === "queue") showQueue(data.queue);
  else if (name === "preview") showPreview(data.etag);
  else if (name === "done") { close(); clearInterval(ticking); await render(); }
  else if (name === "status") await render();
  else if (data.status !== status() || data.phase) await render();
}

/** Take the new state from the server; the preview and the focus stay. */
async function render() {
  const fresh = await part(`/jobs/${place.dataset.id}?part=live`);
  if (!fresh) return;
  const preview = find("[data-preview] > img", place), blank = find("[data-preview]", fresh);
  if (preview && blank) {
    find("img", blank)?.remove();
    blank.append(preview);
    find("[data-waiting]", blank).hidden = true;
  }
  const focused = document.activeElement?.closest("[data-cancel]") != null;
  const [log, newLog] = [find("[data-log]", place), find("[data-log]", fresh)];
  if (log?.open && newLog) newLog.open = true;
  find("article", place).replaceWith(fresh);
  if (focused) (find(".actions a, .actions button", place) ?? find("h1", place)).focus();
  enrich();
}

function enrich() {
  const cancel = find("[data-cancel]", place), remove = find("[data-delete]", place);
  cancel?.addEventListener("submit", async (event) => {
    event.preventDefault();
    find("button", cancel).disabled = true;
    await fetch(`${base}/v1/jobs/${place.dataset.id}/cancel`, { method: "POST" });
    await render();
  });
  remove?.addEventListener("submit", (event) => { if (!confirm(text("delete_sure"))) event.preventDefault(); });
}

function showProgress({ percent, step, steps, part, parts, done_bytes: done, total_bytes: total, eta_seconds: eta }) {
  const meter = find("[data-meter]", place);
  if (!meter) return;
  if (percent == null) meter.removeAttribute("value");
  else meter.value = percent;
  const key = parts > 1 ? "step_of_part" : "step";
  const bytes = total ? `${size(done ?? 0)} / ${size(total)}` : "";
  const amount = steps ? text(key, { step: step ?? 0, steps, part, parts }) : bytes;
  find("[data-step]", place).textContent = amount;
  find("[data-left]", place).textContent = eta ? text("left_time", { time: seconds(eta) }) : "";
  const active = find(".timeline .active [data-more]", place);
  if (active) active.textContent = amount;
}

function showQueue(queue) {
  const waiting = find("[data-waiting]", place);
  if (!queue || !waiting) return;
  const key = queue.position_is_lower_bound ? "position_at_least" : "position";
  const position = text(key, { number: queue.position });
  waiting.textContent = queue.paused ? text("paused") : queue.workers ? position : text("no_worker");
  find("[data-left]", place).textContent = queue.eta_seconds ? text("starts_in", { time: seconds(queue.eta_seconds.p50) }) : "";
}

/** Show a preview once it is loaded, so that nothing flickers; a job may have none. */
function showPreview(etag) {
  const image = new Image();
  image.alt = "";
  image.onload = () => {
    const blank = find("[data-preview]", place);
    if (!blank) return;
    find("img", blank)?.remove();
    blank.append(image);
    find("[data-waiting]", blank).hidden = true;
  };
  image.src = `${base}/jobs/${place.dataset.id}/preview?etag=${encodeURIComponent(etag)}`;
}

/** The seconds of the phase that is in progress. */
function tick() {
  const active = find(".timeline .active", place);
  if (!active) return;
  active.began ??= Date.now() - 1000 * (parseFloat(active.dataset.seconds) || 0);
  find(".secs", active).textContent = seconds((Date.now() - active.began) / 1000);
}

async function showCode() {
  const job = await json(`/v1/jobs/${place.dataset.id}`);
  if (!job) return find("[data-code]").remove();
  const input = {}, files = {};
  const media = { image: "face.jpg", video: "clip.mp4", audio: "voice.wav", last_image: "last.jpg" };
  for (const [name, value] of Object.entries(job.input)) {
    if (value == null || (Array.isArray(value) && !value.length)) continue;
    if (typeof value === "string" && value.startsWith("file_")) files[name] = media[name] ?? name;
    else input[name] = value;
  }
  const labels = Object.keys(job.labels).length ? JSON.stringify(job.labels) : "";
  codePanel(find("[data-code]"), () => ({ model: job.model, input, files, labels, priority: job.priority === "normal" ? "" : job.priority }));
}
