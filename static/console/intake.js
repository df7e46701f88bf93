"use strict";

// Shows the provenance of tracking consent only where a column holds some. Without this script it is always there.
function watchColumns() {
  const form = document.getElementById("import-plan");
  const section = form && form.querySelector("[data-provenance]");
  if (!section) return;
  const targets = form.dataset.consent.split(" ");
  const columns = Array.from(form.querySelectorAll("[data-column]"));
  const show = () => {
    section.hidden = !columns.some((column) => targets.includes(column.value));
  };
  columns.forEach((column) => column.addEventListener("change", show));
  show();
}

// Asks how people were informed only once somebody says that they were.
function watchGround() {
  const ground = document.querySelector("[data-ground]");
  const details = document.querySelector("[data-informed]");
  if (!ground || !details) return;
  const show = () => {
    details.hidden = !ground.value;
  };
  ground.addEventListener("change", show);
  show();
}

// Keeps the figures of a running import fresh. Without this script the page reloads itself.
function watchProgress() {
  const section = document.querySelector("[data-progress]");
  if (!section) return;
  const look = async () => {
    const answer = await fetch(section.dataset.progress, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const progress = await answer.json();
    if (progress.finished) {
      window.location.reload();
      return;
    }
    section.querySelector("[data-state]").textContent = progress.state_label;
    section.querySelector("[data-rows-done]").textContent = progress.rows_done;
    section.querySelector("progress").value = progress.percent;
    section.querySelector("[data-sentences]").replaceChildren(
      ...progress.sentences.map((sentence) => {
        const item = document.createElement("li");
        item.textContent = sentence;
        return item;
      }),
    );
  };
  const again = () => look().catch(() => undefined).finally(() => window.setTimeout(again, 1000));
  window.setTimeout(again, 1000);
}

document.addEventListener("DOMContentLoaded", () => {
  watchColumns();
  watchGround();
  watchProgress();
});
