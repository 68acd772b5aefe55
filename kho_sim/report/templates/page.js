"use strict";
// The heads of tables become buttons that sort: numbers by value, missing values last.
const order = (a, b) => {
  if (a === "" || b === "") return 0;
  const x = Number(a), y = Number(b);
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a < b ? -1 : a > b ? 1 : 0;
};
for (const head of document.querySelectorAll("th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.replaceChildren(button);
  button.addEventListener("click", () => {
    const table = head.closest("table");
    const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    const key = row => row.cells[head.cellIndex].dataset.sort;
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {
      const missing = (key(a) === "") - (key(b) === "");
      return missing || (direction === "ascending" ? 1 : -1) * order(key(a), key(b));
    });
    table.tBodies[0].append(...rows);
  });
}
// A link to what is folded opens it, and so does printing.
function unfold() {
  const place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let fold = place && place.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  if (place) place.scrollIntoView();
}
addEventListener("hashchange", unfold);
addEventListener("beforeprint", () => document.querySelectorAll("details.fold").forEach(one => { one.open = true; }));
unfold();
