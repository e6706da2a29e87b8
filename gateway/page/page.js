// Puts the page together: the key, what is ready, the playground, and the evidence every few seconds.

import { ask, key } from "/page/api.js";
import { offerModels, startAsking } from "/page/ask.js";
import { byId, element, show } from "/page/element.js";
import { showEvidence, showNoEvidence } from "/page/evidence.js";

const REFRESH_MILLISECONDS = 5000;

function needKey(needed, error = "") {
  byId("key-form").hidden = !needed;
  byId("forget").hidden = !key.get();
  byId("key-error").textContent = error;
}

let pools = {}; // the pool of each model, by its name

async function readModels() {
  try {
    const { data } = await ask("/v1/models");
    pools = Object.fromEntries(data.map((model) => [model.id, model.niche.pool]));
    offerModels(data);
    needKey(Boolean(key.get()));
  } catch (error) {
    refused(error);
  }
}

function refused(error) {
  if (error.status === 401) needKey(true, key.get() ? "This key is not valid." : "");
}

async function readReadiness() {
  const place = byId("ready");
  try {
    const answer = await fetch("/readyz");
    const { models = {} } = await answer.json();
    const down = Object.keys(models);
    const text = down.length ? `Cannot answer now: ${down.join(", ")}` : "All models can answer";
    said(place, down.length ? "bad" : "good", text);
  } catch {
    said(place, "bad", "The gateway does not answer");
  }
}

/** Changes only what is new: screen readers read a status when it changes. */
function said(place, state, text) {
  if (place.textContent === text) return;
  place.className = `ready ${state}`;
  show(place, element("span", { class: "dot", "aria-hidden": "true" }), text);
}

async function readEvidence() {
  try {
    showEvidence(await ask("/v1/niche/evidence"), pools);
  } catch (error) {
    showNoEvidence(error);
  }
}

function refresh() {
  if (document.visibilityState !== "visible") return;
  readReadiness();
  readEvidence();
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(byId("key").value.trim());
  byId("key").value = "";
  readModels().then(readEvidence);
});
byId("forget").addEventListener("click", () => {
  key.forget();
  readModels().then(readEvidence);
});

startAsking(refused, readEvidence);
readModels().then(refresh); // a specialist's card names its pool
setInterval(refresh, REFRESH_MILLISECONDS);
document.addEventListener("visibilitychange", refresh);
