"use strict";

// Counts again whenever a condition changes. Without this script the button does.
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("segment-form");
  if (!form) return;
  let latest = 0;
  const count = async (number) => {
    const data = new FormData(form);
    data.append("count", "1");
    const answer = await fetch(window.location.href, { method: "POST", body: data });
    if (!answer.ok || number !== latest) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("segment-count");
    if (fresh) document.getElementById("segment-count").replaceChildren(...fresh.childNodes);
    // The answers to choose from are those of the question that was chosen.
    form.querySelectorAll("select[data-follows]").forEach((one) => {
      const changed = page.getElementsByName(one.name)[0];
      if (changed) one.replaceChildren(...changed.childNodes);
    });
    const sentences = page.querySelectorAll("[data-non-trackable]");
    form.querySelectorAll("[data-non-trackable]").forEach((one, position) => {
      if (sentences[position]) one.replaceChildren(...sentences[position].childNodes);
    });
  };
  let timer = 0;
  form.addEventListener("change", () => {
    latest += 1;
    const number = latest;
    window.clearTimeout(timer);
    timer = window.setTimeout(() => count(number).catch(() => undefined), 300);
  });
});
