// Shared links: copied with one click.

import { find, findAll, text } from "./common.js";
import { copyText } from "./code.js";

export function start() {
  for (const button of findAll("[data-copy]")) {
    const link = find(`#${button.dataset.copy}`), before = button.textContent;
    button.addEventListener("click", async () => {
      link.select();
      await copyText(link.value, link);
      button.textContent = text("copied");
      setTimeout(() => { button.textContent = before; }, 1500);
    });
  }
}
