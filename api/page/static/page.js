// The one script of all pages. Every page works without it; each view adds what it can do beyond.

import { center, find } from "./common.js";

const VIEWS = ["new", "job", "gallery", "compare", "workers", "docs", "batches", "batch", "shares"];

center(find(".bar [aria-current]"));
const { view } = document.body.dataset;
if (VIEWS.includes(view)) (await import(`./${view}.js`)).start();
