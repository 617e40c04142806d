// The state of the fleet, looked at again every few seconds.

import { base, find } from "./common.js";

const PERIOD = 5000;

export function start() {
  setInterval(async () => {
    if (document.hidden || find("#fleet").contains(document.activeElement)) return;
    try {
      const response = await fetch(`${base}/workers`, { cache: "no-store" });
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      find("#fleet").replaceWith(find("#fleet", fresh));
    } catch {
      // the server restarts: the next look will tell
    }
  }, PERIOD);
}
