// Fields for media: drop a file, see or hear it, record one with the camera or the microphone.

import { find, findAll, make, size, text } from "./common.js";

const KINDS = { image: ["image/"], video: ["video/"], audio: ["audio/", "video/"] };

export function enrichMedia(field) {
  const drop = find("[data-drop]", field), input = find("input[type=file]", field);
  const below = find(".below", field);
  const choose = (file) => {
    const wrong = !KINDS[field.dataset.kind].some((kind) => file.type.startsWith(kind)) && file.type !== "";
    if (wrong) return refuse(file);
    say(field, "");
    field.file = file;
    show(field, drop, below, input);
    field.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const refuse = ({ name }) => {
    input.value = "";
    say(field, text({ image: "not_image", video: "not_video", audio: "not_audio" }[field.dataset.kind], { name }));
  };
  field.choose = choose;
  field.idle = () => below.replaceChildren(...recorders(field, drop));
  input.addEventListener("change", () => input.files[0] && choose(input.files[0]));
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files[0]) choose(event.dataTransfer.files[0]);
  });
  field.idle();
  if (input.files[0]) choose(input.files[0]); // the browser kept it over a reload
}

function say(field, message) {
  const note = find(".wrong", field);
  note.textContent = message;
  note.hidden = !message;
}

function show(field, drop, below, input) {
  clear(field, drop);
  const { file } = field, kind = file.type.startsWith("video/") ? "video" : field.dataset.kind;
  field.url = URL.createObjectURL(file);
  const media = kind === "image" ? make("img", { src: field.url, alt: file.name })
    : make(kind, { src: field.url, controls: true, playsinline: true, preload: "metadata", "aria-label": file.name });
  drop.classList.add("has");
  find(".invite", drop).hidden = true;
  drop.append(make("div", { class: "shown" }, media));
  const kept = find(".kept input", field);
  if (kept) kept.checked = false;
  const reset = () => {
    [field.file, input.value] = [null, ""];
    clear(field, drop);
    find(".invite", drop).hidden = false;
    field.idle();
    if (kept) kept.checked = true;
    field.dispatchEvent(new Event("change", { bubbles: true }));
    input.focus();
  };
  below.replaceChildren(
    make("span", { class: "grow" }, `${file.name}, ${size(file.size)}`),
    make("button", { type: "button", class: "mini", onclick: () => input.click() }, text("replace")),
    make("button", { type: "button", class: "mini", onclick: reset }, text("clear")),
  );
}

function clear(field, drop) {
  if (field.url) URL.revokeObjectURL(field.url);
  field.url = null;
  find(".shown", drop)?.remove();
  drop.classList.remove("has");
}

/** The buttons that record, where the browser can: only on https and on this machine. */
function recorders(field, drop) {
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) return [];
  const name = { image: "take_photo", video: "record_video", audio: "record_audio" }[field.dataset.kind];
  return [make("button", { type: "button", class: "mini", onclick: () => record(field, drop) }, `● ${text(name)}`)];
}

async function record(field, drop) {
  const kind = field.dataset.kind;
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: kind !== "image", video: kind !== "audio" });
  } catch {
    return say(field, text("no_device"));
  }
  say(field, "");
  const below = find(".below", field), invite = find(".invite", drop);
  let live;
  if (kind !== "audio") {
    live = make("video", { autoplay: true, muted: true, playsinline: true, "aria-label": text("recording") });
    [live.srcObject, live.muted, invite.hidden] = [stream, true, true];
    drop.classList.add("has");
    drop.append(make("div", { class: "shown" }, live));
  }
  const end = (file) => {
    for (const track of stream.getTracks()) track.stop();
    clear(field, drop);
    invite.hidden = false;
    field.choose(file);
    findAll("button", below)[0]?.focus();
  };
  if (kind === "image") takePhoto(below, live, end);
  else recordTrack(below, stream, kind, end);
}

function takePhoto(below, live, end) {
  const snap = async () => {
    const canvas = make("canvas", { width: live.videoWidth, height: live.videoHeight });
    canvas.getContext("2d").drawImage(live, 0, 0);
    canvas.toBlob((blob) => end(new File([blob], "photo.jpg", { type: "image/jpeg" })), "image/jpeg", 0.95);
  };
  const button = make("button", { type: "button", class: "mini primary", onclick: snap }, text("snap"));
  below.replaceChildren(button);
  button.focus();
}

function recordTrack(below, stream, kind, end) {
  const recorder = new MediaRecorder(stream), pieces = [], began = Date.now();
  recorder.ondataavailable = ({ data }) => pieces.push(data);
  const clock = make("span", { role: "timer" }), stop = make("button", { type: "button", class: "mini primary", onclick: () => recorder.stop() }, `■ ${text("stop")}`);
  const tick = () => { clock.textContent = `${text("recording")} ${((Date.now() - began) / 1000).toFixed(0)} s`; };
  const timer = setInterval(tick, 500);
  recorder.onstop = () => {
    clearInterval(timer);
    const type = recorder.mimeType.split(";")[0] || `${kind}/webm`;
    end(new File(pieces, `${kind === "audio" ? "voice" : "clip"}.${type.endsWith("mp4") ? "mp4" : "webm"}`, { type }));
  };
  tick();
  below.replaceChildren(stop, clock);
  recorder.start();
  stop.focus();
}
