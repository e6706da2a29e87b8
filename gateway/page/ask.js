// The playground: a conversation, each answer streamed, and its decision beside it.

import { ask, stream } from "/page/api.js";
import { showDecision, showNoDecision } from "/page/decision.js";
import { byId, element, show } from "/page/element.js";

const AUTO = "auto";

export const EXAMPLES = {
  sql: "Columns: name, country, year of birth\nQuestion: Which singers are from France?",
  tools: "play the newest album by Miles Davis on Spotify",
  math: "A baker made 48 rolls and sold 29 of them. How many rolls are left?",
  biomed: "Two patients on carbamazepine developed hyponatremia and confusion.",
  support: "Why was my card payment declined at the supermarket?",
  general: "Why is the sky blue?",
};

/** Sets the playground up; `onRefused` is called with errors, a missing key included. */
export function startAsking(onRefused, onAnswered) {
  const place = {
    form: byId("ask-form"),
    prompt: byId("prompt"),
    turns: byId("turns"),
    decision: byId("decision"),
    status: byId("status"),
  };
  let messages = [];
  let leaving = null;

  function begin() {
    messages = [];
    place.asked = null;
    show(place.turns);
    showNoDecision(place.decision);
    byId("new").hidden = true;
  }

  async function send(text) {
    if (leaving) return;
    leaving = new AbortController();
    working(true);
    messages.push({ role: "user", content: text });
    place.prompt.value = "";
    const answer = turn(text);
    place.turns.append(...answer.items);
    answer.items[1].scrollIntoView({ block: "nearest" });
    const asked = messages;
    try {
      const said = await answered(asked, answer, place, leaving.signal);
      asked.push({ role: "assistant", content: said });
      onAnswered();
    } catch (error) {
      asked.pop();
      failed(answer, error, place.status);
      if (error.name !== "AbortError") onRefused(error);
    } finally {
      answer.body.removeAttribute("aria-busy");
      leaving = null;
      working(false);
    }
  }

  function working(busy) {
    byId("send").disabled = busy;
    byId("stop").hidden = !busy;
    byId("new").hidden = false;
    for (const button of byId("examples").children) button.disabled = busy;
  }

  place.form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = place.prompt.value.trim();
    if (text) send(text);
  });
  place.prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) place.form.requestSubmit();
  });
  byId("stop").addEventListener("click", () => leaving?.abort());
  byId("new").addEventListener("click", () => {
    leaving?.abort();
    begin();
    place.prompt.focus();
  });
  for (const [domain, text] of Object.entries(EXAMPLES)) {
    const button = element("button", { type: "button", class: "chip", title: text }, domain);
    button.addEventListener("click", () => {
      if (leaving) return;
      begin();
      send(text);
    });
    byId("examples").append(button);
  }
  showNoDecision(place.decision);
}

/** Offers the models of /v1/models that can be talked to. */
export function offerModels(models) {
  const talking = ["auto", "generalist", "specialist"];
  const names = models.filter(({ niche }) => talking.includes(niche.role)).map(({ id }) => id);
  const options = names.map((name) => element("option", { value: name }, name));
  show(byId("model"), ...options);
}

async function answered(messages, answer, place, signal) {
  const model = byId("model").value;
  const told = place.status;
  told.textContent = "Waiting for the answer.";
  const shown = { route: null, niche: null };
  place.asked = shown;
  if (model === AUTO) {
    shown.route = await ask("/v1/niche/route", { messages }, signal);
    showDecision(place.decision, shown.route, null);
    explain(messages, shown, place, signal);
  }
  const body = {
    model,
    messages,
    temperature: 0,
    max_tokens: Number(byId("tokens").value) || 128,
    stream: true,
    stream_options: { include_usage: true },
  };
  let text = "";
  const started = performance.now();
  const passed = () => (performance.now() - started) / 1000;
  for await (const event of stream("/v1/chat/completions", body, signal)) {
    if (event.niche) {
      const niche = { first_token_seconds: passed(), ...shown.niche, ...event.niche, usage: event.usage };
      if (event.usage) niche.whole_seconds = passed();
      shown.niche = niche;
      showDecision(place.decision, shown.route, niche);
      show(answer.who, `${niche.model} · ${niche.reason.replaceAll("_", " ")}`);
    }
    text += event.choices[0]?.delta.content ?? "";
    answer.body.textContent = text;
  }
  told.textContent = `${shown.niche.model} has answered.`;
  return text;
}

/** Adds what led to the decision, which takes longer than deciding: no answer waits for it. */
async function explain(messages, shown, place, signal) {
  try {
    const body = { messages: [...messages], explain: true };
    shown.route.explanation = (await ask("/v1/niche/route", body, signal)).explanation;
  } catch {
    return; // the decision stands without it, and the answer's own request tells what is wrong
  }
  if (place.asked === shown) showDecision(place.decision, shown.route, shown.niche);
}

function turn(text) {
  const who = element("p", { class: "who" }, "…");
  const body = element("p", { class: "said", "aria-live": "polite", "aria-busy": "true" });
  return {
    who,
    body,
    items: [
      element("li", { class: "user" }, element("p", { class: "who" }, "You"), element("p", { class: "said" }, text)),
      element("li", { class: "answer" }, who, body),
    ],
  };
}

function failed(answer, error, status) {
  const stopped = error.name === "AbortError";
  const text = stopped ? "Stopped." : error.message;
  answer.items[1].append(element("p", { class: stopped ? "note" : "wrong" }, text));
  if (answer.who.textContent === "…") answer.who.textContent = "No answer";
  status.textContent = text;
}
