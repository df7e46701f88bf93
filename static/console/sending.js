"use strict";

// Keeps the figures of a launch fresh while it is sent. Without this script a link shows the page anew.
(function () {
  const section = document.querySelector("[data-sending]");
  if (!section) return;
  const pause = 1000 * Number(section.dataset.every);
  const bar = section.querySelector("[data-bar]");
  const reload = section.querySelector("[data-without-script]");
  let state = "";

  const show = (progress) => {
    section.querySelectorAll("[data-show]").forEach((node) => {
      const words = progress[node.dataset.show];
      // Only what changed, so that a screen reader does not repeat the rest.
      if (node.textContent !== words) node.textContent = words;
    });
    bar.max = progress.total_number || 1;
    bar.value = progress.done_number;
  };

  const look = async () => {
    const answer = await fetch(section.dataset.sending, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const progress = await answer.json();
    // Other buttons and tables go with another state.
    if (state && progress.state !== state) {
      window.location.reload();
      return;
    }
    state = progress.state;
    show(progress);
    reload.hidden = true;
  };

  const again = () => {
    const next = () => window.setTimeout(again, pause);
    if (document.hidden) next();
    else look().catch(() => { reload.hidden = false; }).finally(next);
  };
  window.setTimeout(again, Math.min(pause, 1000));
})();
