// Two players in step: the left one leads, the right one follows.

import { find, findAll, text } from "./common.js";

const DRIFT = 0.08; // seconds that the players may be apart

export function start() {
  const players = findAll("video[data-side]"), bar = find("[data-both]");
  if (players.length !== 2 || !bar) return;
  const [lead, other] = players;
  const button = find("button", bar), range = find("input", bar), output = find("output", bar);
  bar.hidden = false;
  const longest = () => Math.max(...players.map((each) => each.duration || 0));
  const show = () => {
    range.max = longest() || 1;
    range.value = lead.currentTime;
    output.textContent = `${lead.currentTime.toFixed(1)} s`;
  };
  const inStep = () => {
    const target = Math.min(lead.currentTime, other.duration || 0);
    if (Math.abs(other.currentTime - target) > DRIFT) other.currentTime = target;
  };
  lead.addEventListener("play", () => { inStep(); other.play().catch(() => null); button.textContent = text("pause"); });
  lead.addEventListener("pause", () => { other.pause(); inStep(); button.textContent = text("play"); });
  lead.addEventListener("seeked", () => { inStep(); show(); });
  lead.addEventListener("timeupdate", () => { if (!lead.paused) inStep(); show(); });
  lead.addEventListener("ratechange", () => { other.playbackRate = lead.playbackRate; });
  for (const each of players) each.addEventListener("loadedmetadata", show);
  button.addEventListener("click", () => (lead.paused ? lead.play() : lead.pause()));
  range.addEventListener("input", () => { lead.currentTime = Number(range.value); });
  show();
}
