// Follows jobs that are under way, and shows the page anew when one ends,
// unless something is being typed or confirmed: then it only says so.
"use strict";
const format = new Intl.NumberFormat("en");

function show(article, rebuild) {
  const { progress } = rebuild;
  const write = (where, what = 0) => {
    const element = article.querySelector(where); // a re-zone shows other figures than a rebuild
    if (element) {
      element.textContent = format.format(what);
    }
  };
  write(".logs-done", progress.logs_done);
  write(".users-done", progress.users_done);
  write(".rows-drifted", progress.rows_drifted);
  write(".rows-repaired", progress.rows_repaired);
  write(".logs-rezoned", progress.logs_rezoned);
  write(".logs-purged", progress.logs_purged);
  const bar = article.querySelector("progress");
  if (bar && progress.logs_expected > 0) {
    bar.max = progress.logs_expected;
    bar.value = Math.min(progress.logs_done, progress.logs_expected);
  }
  article.querySelector(".state").textContent =
    rebuild.cancel_requested_at && !rebuild.finished_at ? "being cancelled"
      : rebuild.state === "available" ? "waiting" : rebuild.state;
}

// A form that was sent is answered by another page, which nothing here may overtake.
let isLeaving = false;
document.addEventListener("submit", () => {
  isLeaving = true;
});

function isBusy() {
  return isLeaving || document.querySelector("details.confirm[open]") !== null ||
    Array.from(document.querySelectorAll("form input")).some((input) => input.value !== input.defaultValue);
}

// A browser has six connections to a site, and each job that is followed holds one. So
// some are left, even for another tab, to send the forms.
const mostFollowed = 2;
const isRunning = (article) => article.querySelector(".state").textContent === "running";
const followed = Array.from(document.querySelectorAll("[data-events]"))
  .sort((a, b) => isRunning(b) - isRunning(a))
  .slice(0, mostFollowed);

for (const article of followed) {
  const events = new EventSource(article.dataset.events);
  events.addEventListener("progress", (event) => show(article, JSON.parse(event.data)));
  events.addEventListener("end", (event) => {
    events.close();
    show(article, JSON.parse(event.data));
    article.querySelectorAll("progress, details").forEach((element) => element.remove());
    if (!isBusy()) {
      location.assign("/admin");
    }
  });
}

// A service that is away is asked again.
if (document.querySelector("[role=alert]") && !document.querySelector("form.rebuild")) {
  setTimeout(() => location.assign("/admin"), 3000);
}
