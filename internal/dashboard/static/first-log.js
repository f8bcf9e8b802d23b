// Waits for the first log, and shows the page anew when it is there.
"use strict";
const empty = document.querySelector("[data-waits-for]");
const every = 1500;
let seen;

async function look() {
  try {
    const answer = await fetch(empty.dataset.waitsFor, { cache: "no-store" });
    if (answer.ok && (await hasCome(answer))) {
      location.reload();
      return;
    }
  } catch {
    // The service may be away for a moment.
  }
  setTimeout(look, every);
}

async function hasCome(answer) {
  if (empty.dataset.untilChanged) {
    return !(await answer.text()).includes("data-until-changed");
  }
  return (await answer.json()).learning_logs.length > 0;
}

if (empty) {
  setTimeout(look, every);
}
