// Many files as one batch: uploaded one after another, then submitted as rows.

import { base, find, json, make, send, text } from "./common.js";

const MOST = 100;
let form, model, files = [], rows = [];

export function start() {
  form = find("[data-many]");
  const input = find("input[type=file]", form), drop = find(".drop", form);
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); take(event.dataTransfer.files); });
  input.addEventListener("change", () => take(input.files));
  find("select", form).addEventListener("change", choose);
  find("textarea", form).addEventListener("input", plan);
  form.addEventListener("submit", submit);
  choose();
}

async function choose() {
  model = await json(`/v1/models/${find("select", form).value}`);
  find("[data-prompt]", form).hidden = !("prompt" in (model?.input_schema.properties ?? {}));
  plan();
}

function take(list) {
  files = [...list].slice(0, MOST);
  plan();
}

const kindOf = (schema) => schema["x-media"] ?? schema.anyOf?.map(kindOf).find(Boolean);
const stem = (name) => name.replace(/\.[^.]*$/, "");

/** The rows: files of one name together; a single file of a kind goes with all others. */
function plan() {
  const fields = Object.entries(model?.input_schema.properties ?? {}).map(([name, schema]) => [name, kindOf(schema)]).filter(([, kind]) => kind);
  const required = model?.input_schema.required ?? [];
  const of = (kind) => files.filter((file) => file.type.startsWith(`${kind}/`));
  const field = (kind) => fields.find(([, each]) => each === kind)?.[0];
  const kinds = ["image", "video", "audio"].filter((kind) => field(kind) && of(kind).length);
  const shared = kinds.filter((kind) => of(kind).length === 1);
  const names = new Set(kinds.filter((kind) => !shared.includes(kind)).flatMap((kind) => of(kind).map((file) => stem(file.name))));
  if (!names.size && kinds.length) names.add(stem(of(kinds[0])[0].name));
  rows = [...names].map((name) => {
    const input = {};
    for (const kind of kinds) {
      const found = shared.includes(kind) ? of(kind)[0] : of(kind).find((file) => stem(file.name) === name);
      if (found) input[field(kind)] = found;
    }
    const lacking = required.filter((each) => !(each in input) && fields.some(([other]) => other === each));
    return { name, input, lacking };
  });
  show(required);
}

function show(required) {
  const list = find("[data-rows]", form), prompt = find("textarea", form).value;
  list.hidden = !rows.length;
  list.replaceChildren(...rows.slice(0, 12).map(({ name, input }) => make("li", {}, make("b", {}, name), ` ${Object.values(input).map((file) => file.name).join(" + ")}`)));
  const bad = rows.find(({ lacking }) => lacking.length);
  const said = bad ? text("batch_lacking", { name: bad.name, fields: bad.lacking.join(", ") }) : rows.length ? text("batch_rows", { number: rows.length }) : "";
  find("[data-said]", form).textContent = said;
  find("button", form).disabled = !rows.length || Boolean(bad) || (required.includes("prompt") && !prompt);
}

async function submit(event) {
  event.preventDefault();
  const button = find("button", form), bar = find("progress", form), said = find("[data-said]", form);
  const prompt = find("textarea", form).value, needed = [...new Set(rows.flatMap(({ input }) => Object.values(input)))];
  const ids = new Map();
  [button.disabled, bar.hidden] = [true, false];
  try {
    for (const file of needed) {
      said.textContent = text("batch_uploading", { done: ids.size + 1, total: needed.length });
      const body = new FormData();
      body.append("file", file);
      const { status, answer } = await send("/v1/files", { body });
      if (status >= 300) return fail(answer);
      ids.set(file, answer.id);
      bar.value = ids.size / needed.length;
    }
    const lines = rows.map(({ name, input }) => {
      const media = Object.fromEntries(Object.entries(input).map(([field, file]) => [field, ids.get(file)]));
      return JSON.stringify({ model: model.name, key: name.slice(0, 60), input: prompt ? { ...media, prompt } : media });
    });
    const { status, answer } = await send("/v1/batches", { body: `${lines.join("\n")}\n`, headers: { "Content-Type": "application/jsonl" } });
    if (status < 300) location.assign(`${base}/batches/${answer.id}`);
    else fail(answer);
  } catch {
    fail({ detail: text("network_error") });
  } finally {
    [button.disabled, bar.hidden] = [false, true];
  }
}

function fail({ detail, errors = [] }) {
  const problem = find("[data-problem]");
  find("[data-detail]", problem).textContent = detail;
  find("[data-errors]", problem).replaceChildren(...errors.map(({ pointer, message }) => make("li", {}, make("code", {}, pointer), ` ${message}`)));
  problem.hidden = false;
  problem.focus();
}
