// The pages of objects: branches that are opened, and actions that are dragged into another order. The arrows of each row
// do the same as dragging.
"use strict";

(() => {
  const branchOf = (twist) => twist.closest("li").querySelector(":scope > .branch");

  function turn(twist, open) {
    twist.setAttribute("aria-expanded", String(open));
    branchOf(twist).hidden = !open;
  }

  document.addEventListener("click", (event) => {
    const twist = event.target.closest("button.twist");
    if (twist) turn(twist, twist.getAttribute("aria-expanded") !== "true");
  });

  // In the tree: right opens, left closes or goes to what is above. Up and down go through the rows, see console.js.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !["ArrowRight", "ArrowLeft"].includes(event.key)) return;
    const node = event.target.closest?.(".tree .node");
    if (!node) return;
    const twist = node.querySelector("button.twist");
    const open = twist?.getAttribute("aria-expanded") === "true";
    if (event.key === "ArrowRight" && twist && !open) twist.click();
    else if (event.key === "ArrowLeft" && open) twist.click();
    else if (event.key === "ArrowLeft") node.closest("li").parentElement.closest("li")?.querySelector(".node a")?.focus();
    else return;
    event.preventDefault();
  });

  // The order: what is dropped on another runs before it, or, in its lower half, behind it.

  let dragged = null;
  const row = (event) => event.target.closest?.(".order > li");
  const isRow = (other) => dragged && other && other.parentElement === dragged.parentElement;
  const idOf = (other) => other?.dataset.move ?? other?.dataset.stay;
  const isLower = (event, other) => {
    const box = other.getBoundingClientRect();
    return event.clientY > box.top + box.height / 2;
  };

  function unmark() {
    for (const marked of document.querySelectorAll(".drop-before, .drop-behind")) marked.classList.remove("drop-before", "drop-behind");
  }

  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.(".order > li[data-move]") ?? null;
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.move);
    dragged.classList.add("dragged");
  });

  document.addEventListener("dragover", (event) => {
    const other = row(event);
    if (!isRow(other)) return;
    unmark();
    const behind = isLower(event, other);
    // Before what the event type names nothing can be put.
    if (other === dragged || (!behind && !idOf(other))) return;
    event.preventDefault();
    other.classList.add(behind ? "drop-behind" : "drop-before");
  });

  document.addEventListener("drop", (event) => {
    const other = row(event);
    if (!isRow(other) || other === dragged) return;
    event.preventDefault();
    const before = isLower(event, other) ? other.nextElementSibling : other;
    if (before === dragged) return;
    const button = dragged.closest("form").querySelector("[data-drop]");
    button.value = [dragged.dataset.move, idOf(before) ?? ""].join(" ").trim();
    button.click();
  });

  document.addEventListener("dragend", () => {
    unmark();
    dragged?.classList.remove("dragged");
    dragged = null;
  });
})();
