// The one script of all pages. Every page works without it; each view adds what it can do beyond.

import "./common.js";

const VIEWS = ["new", "job", "gallery", "compare", "workers", "docs", "batches", "batch", "shares"];

document.querySelector(".bar [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
const { view } = document.body.dataset;
if (VIEWS.includes(view)) (await import(`./${view}.js`)).start();
