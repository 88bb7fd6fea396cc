"use strict";
// Tables that are sorted by a click on a column's head, with a search field if they are long.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") === "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const compare = head.classList.contains("n")
        ? (a, b) => Number(key(a)) - Number(key(b))
        : (a, b) => key(b).localeCompare(key(a));
      body.append(...[...body.rows].sort((a, b) => (rising ? compare(a, b) : compare(b, a))));
    });
  });
  if (body.rows.length > 12) {
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = `search ${body.rows.length} ${table.dataset.rows ?? "tags"}`;
    field.setAttribute("aria-label", field.placeholder);
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const row of body.rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
    });
    table.parentElement.before(field);
  }
}
// Open all collapsed sections before printing.
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => (each.open = true)));
