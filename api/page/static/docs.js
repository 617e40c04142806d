// Swagger UI from this server's own files.

import { find } from "./common.js";

export function start() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const color = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", color);
  color();
  window.SwaggerUIBundle({
    url: find("#swagger").dataset.url,
    domNode: find("#swagger"),
    deepLinking: true,
    defaultModelsExpandDepth: -1,
    validatorUrl: null,
  });
}
