// Follows the rebuilds that are under way, and shows the page anew when one ends.
"use strict";
const format = new Intl.NumberFormat("en");

function show(article, rebuild) {
  const { progress } = rebuild;
  const write = (where, what) => { article.querySelector(where).textContent = format.format(what); };
  write(".logs-done", progress.logs_done);
  write(".users-done", progress.users_done);
  write(".rows-drifted", progress.rows_drifted);
  write(".rows-repaired", progress.rows_repaired);
  const bar = article.querySelector("progress");
  if (bar && progress.logs_expected > 0) {
    bar.max = progress.logs_expected;
    bar.value = Math.min(progress.logs_done, progress.logs_expected);
  }
  if (rebuild.state === "running" && !rebuild.cancel_requested_at) {
    article.querySelector(".state").textContent = "running";
  }
}

for (const article of document.querySelectorAll("[data-events]")) {
  const events = new EventSource(article.dataset.events);
  events.addEventListener("progress", (event) => show(article, JSON.parse(event.data)));
  events.addEventListener("end", () => {
    events.close();
    location.reload();
  });
}

// A service that is away is asked again.
if (document.querySelector("[role=alert]") && !document.querySelector("form.rebuild")) {
  setTimeout(() => location.reload(), 3000);
}
