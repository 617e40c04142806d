// A batch while its rows run.

import { find } from "./common.js";

const PERIOD = 3000;

export function start() {
  const timer = setInterval(async () => {
    const place = find("#batch");
    if (place.dataset.status !== "active") return clearInterval(timer);
    if (document.hidden || place.contains(document.activeElement)) return;
    try {
      const response = await fetch(location.href, { cache: "no-store" });
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      if (response.ok) place.replaceWith(find("#batch", fresh));
    } catch {
      // the server restarts: the next look will tell
    }
  }, PERIOD);
}
