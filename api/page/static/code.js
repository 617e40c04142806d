// The same job as curl, Python, OpenAI's client and the command line.

import { base, make, text } from "./common.js";

const quote = (value) => (/^[\w.:/@%+=-]+$/.test(value) ? String(value) : `'${String(value).replaceAll("'", "'\\''")}'`);
const written = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const python = (value) => JSON.stringify(value).replace(/\btrue\b/g, "True").replace(/\bfalse\b/g, "False").replace(/\bnull\b/g, "None");

function curl({ model, input, files, labels, priority }) {
  const lines = [`curl ${location.origin}${base}/v1/jobs`, `-F model=${model}`];
  for (const [name, file] of Object.entries(files)) lines.push(`-F ${name}=@${quote(file)}`);
  for (const [name, value] of Object.entries(input)) lines.push(`-F ${name}=${quote(written(value))}`);
  if (labels) lines.push(`-F labels=${quote(labels)}`);
  if (priority) lines.push(`-F priority=${priority}`);
  return lines.join(" \\\n  ");
}

function client({ model, input, files, labels, priority }) {
  const lines = [`    ${python(model)},`];
  for (const [name, file] of Object.entries(files)) lines.push(`    ${name}=Path(${python(file)}),`);
  for (const [name, value] of Object.entries(input)) lines.push(`    ${name}=${python(value)},`);
  if (labels) lines.push(`    labels=${labels},`);
  if (priority) lines.push(`    priority=${python(priority)},`);
  return `from pathlib import Path\n\nfrom kinomill import Client\n\nwith Client(${python(location.origin + base)}) as client:\n    job = client.submit(\n${lines.map((line) => `    ${line}`).join("\n")}\n    )\n    job = client.wait(job)\n    client.download(job, "result.mp4")`;
}

function openai({ model, input, files }) {
  const { prompt, ...rest } = input;
  const [first] = Object.entries(files);
  const lines = [`    model=${python(model)},`, `    prompt=${python(prompt ?? "")},`];
  if (first) lines.push(`    input_reference=Path(${python(first[1])}),`);
  const extra = Object.fromEntries(Object.entries(rest));
  if (Object.keys(extra).length) lines.push(`    extra_body=${python(extra)},`);
  return `from pathlib import Path\n\nfrom openai import OpenAI\n\nclient = OpenAI(base_url=${python(`${location.origin}${base}/v1`)}, api_key="km_…")\nvideo = client.videos.create_and_poll(\n${lines.join("\n")}\n)\nclient.videos.download_content(video.id).write_to_file("result.mp4")`;
}

function cli({ model, input, files, labels, priority }) {
  const lines = [`kinomill submit ${model}`];
  for (const [name, file] of Object.entries(files)) lines.push(`${name}=@${quote(file)}`);
  for (const [name, value] of Object.entries(input)) lines.push(quote(`${name}=${written(value)}`));
  try { for (const [name, value] of Object.entries(JSON.parse(labels || "{}"))) lines.push(`--label ${quote(`${name}=${value}`)}`); } catch { /* not JSON yet: the form says so */ }
  if (priority) lines.push(`--priority ${priority}`);
  return (location.port === "8000" && !base ? "" : `export KINOMILL_URL=${location.origin}${base}\n`) + lines.join(" \\\n  ");
}

const WAYS = { curl, Python: client, OpenAI: openai, CLI: cli };

/** Tabs with the code of what `describe` returns; returns a function that writes it again. */
export function codePanel(panel, describe) {
  let way = "curl";
  const pre = make("pre", { tabindex: 0, role: "tabpanel", id: "snippet", "aria-labelledby": "tab-curl" });
  const copy = make("button", { type: "button", class: "mini" }, text("copy"));
  copy.addEventListener("click", async () => {
    await copyText(pre.textContent, pre);
    copy.textContent = text("copied");
    setTimeout(() => { copy.textContent = text("copy"); }, 1500);
  });
  const tabs = Object.keys(WAYS).map((name) => make("button", { type: "button", role: "tab", id: `tab-${name.toLowerCase()}`, "aria-controls": "snippet", onclick: () => choose(name) }, name));
  const list = make("div", { class: "tabs", role: "tablist", "aria-labelledby": "code-title" }, ...tabs);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const names = Object.keys(WAYS), next = (names.indexOf(way) + step + names.length) % names.length;
    choose(names[next]);
    tabs[next].focus();
  });
  const draw = () => { pre.textContent = WAYS[way](describe()); };
  function choose(name) {
    way = name;
    for (const tab of tabs) {
      const selected = tab.textContent === name;
      tab.setAttribute("aria-selected", selected);
      tab.tabIndex = selected ? 0 : -1;
    }
    pre.setAttribute("aria-labelledby", `tab-${name.toLowerCase()}`);
    draw();
  }
  panel.append(make("div", { class: "tab-row" }, list, copy), pre);
  choose(way);
  return draw;
}

/** The clipboard needs https or this machine; elsewhere the text is selected and copied. */
export async function copyText(value, element) {
  if (navigator.clipboard) return navigator.clipboard.writeText(value);
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  document.execCommand("copy");
}
