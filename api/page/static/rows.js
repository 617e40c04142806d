// Lists of things, such as LoRAs: one row each, added and removed. A group is one row that stays.

import { find, findAll, make, text } from "./common.js";
import { enrichBox } from "./box.js";

export function enrichRows(field) {
  const area = find(`textarea[name]`, field), template = find("template", field);
  const list = find(".rows", field);
  const single = field.dataset.kind === "group", most = single ? 1 : Number(field.dataset.most || 32);
  const add = make("button", { type: "button", class: "mini", onclick: () => addRow({}, true) }, `+ ${text("add")}`);
  area.hidden = true;
  if (!single) find(".add-place", field).append(add);
  find("label", field).setAttribute("for", (add.id = `${area.id}-add`));
  let made = 0;

  function addRow(values, focus) {
    const row = template.content.firstElementChild.cloneNode(true);
    made += 1;
    for (const input of findAll("[name]", row)) {
      const own = findAll(`label[for="${input.id}"]`, row);
      input.id = `${input.id}-${made}`;
      input.removeAttribute("aria-describedby");
      for (const label of own) label.setAttribute("for", input.id);
      input.dataset.part = input.name;
      input.removeAttribute("name");
      const value = values[input.dataset.part];
      if (value == null || input.type === "hidden") continue;
      if (input.type === "checkbox") input.checked = value === true;
      else input.value = typeof value === "string" ? value : JSON.stringify(value);
    }
    for (const box of findAll(".field.box", row)) enrichBox(box, field.closest("form"));
    if (!single) row.append(make("button", { type: "button", class: "mini plain", onclick: () => { row.remove(); number(); write(); add.focus(); } }, text("remove")));
    list.append(row);
    number();
    write();
    if (focus) find("input:not([type=hidden]), select, textarea", row)?.focus();
  }

  function number() {
    findAll(":scope > .row", list).forEach((row, index) => {
      find("legend", row).textContent = single ? find("label", field).textContent : text("row", { number: index + 1 });
    });
    add.disabled = list.childElementCount >= most;
  }

  function write() {
    const rows = findAll(":scope > .row", list).map((row) => {
      const value = {};
      for (const input of findAll("[data-part]", row)) {
        const shown = input.type === "checkbox" ? String(input.checked) : input.value;
        if (input.type === "hidden" || shown === "" || shown === input.dataset.default) continue;
        const kind = input.closest("[data-kind]").dataset.kind;
        if (kind === "text" || kind === "long_text" || kind === "choice") value[input.dataset.part] = input.value;
        else if (kind === "flag") value[input.dataset.part] = input.checked;
        else try { value[input.dataset.part] = JSON.parse(input.value); } catch { value[input.dataset.part] = input.value; }
      }
      return value;
    });
    const value = single ? rows[0] : rows;
    area.value = Object.keys(value).length ? JSON.stringify(value) : "";
  }

  list.addEventListener("input", write);
  list.addEventListener("change", write);
  let before = [];
  try { before = JSON.parse(area.value || "[]"); } catch { before = []; }
  for (const values of single ? [before] : before) addRow(values, false);
  if (single) find("label", field).setAttribute("for", find("input", list).id);
  number();
}
