"use strict";
// Replaces the parts of the page that have changed: within a second of an event, and every few
// seconds. A part with the keyboard's focus or a selection is left alone.

const EVERY = 5000;
const AT_MOST = 1000;
const stream = document.body.dataset.events;
let refreshedAt = Date.now();
let timer = 0;

async function refresh() {
  timer = 0;
  refreshedAt = Date.now();
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.status === 401) {
        location.reload();
        return;
      }
      if (answer.ok) {
        replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      }
      document.body.classList.toggle("old", !answer.ok);
    } catch {
      document.body.classList.add("old");
    }
  }
  plan(EVERY);
}

function plan(wait) {
  const due = Math.max(AT_MOST - (Date.now() - refreshedAt), wait);
  clearTimeout(timer);
  timer = setTimeout(refresh, due);
}

function replace(page) {
  document.title = page.title;
  for (const part of document.querySelectorAll("[data-live]")) {
    const news = page.getElementById(part.id);
    if (news && news.innerHTML !== part.innerHTML && !isInUse(part)) {
      part.replaceChildren(...news.childNodes);
    }
  }
}

function isInUse(part) {
  const selection = document.getSelection();
  const isSelected = !selection.isCollapsed && part.contains(selection.anchorNode);
  return isSelected || part.contains(document.activeElement);
}

if (stream) {
  new EventSource(stream).onmessage = () => plan(0);
  document.addEventListener("visibilitychange", () => plan(0));
  plan(EVERY);
}
