// The playground: a conversation, each answer streamed, and its decision beside it.

import { Answer } from "/page/answer.js";
import { ask, stream } from "/page/api.js";
import { showDecision, showNoDecision } from "/page/decision.js";
import { byId, element, show } from "/page/element.js";
import { offerSamples, parameters } from "/page/parameters.js";

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
    place.shown = null;
    show(place.turns);
    showNoDecision(place.decision);
    byId("new").hidden = true;
    expect();
  }

  /** Says what comes next: a question, or the result of a tool call. */
  function expect() {
    const call = openCall(messages);
    const result = call && `The result of ${call.function.name}`;
    byId("prompt-label").textContent = result || "Your question";
    place.prompt.placeholder = result || "Ask anything, or choose an example";
  }

  function send(text) {
    const call = openCall(messages);
    const role = call ? { role: "tool", tool_call_id: call.id } : { role: "user" };
    messages.push({ ...role, content: text });
    place.turns.append(question(call ? `Result of ${call.function.name}` : "You", text));
    byId("new").hidden = false;
    expect();
    if (!openCall(messages)) getAnswer(text);
  }

  async function getAnswer(text) {
    leaving = new AbortController();
    working(true);
    const asked = messages;
    const answer = new Answer((chosen) => choose(place, chosen));
    place.turns.append(answer.item);
    answer.item.scrollIntoView({ block: "nearest", behavior: "instant" });
    try {
      await answered(asked, answer, place, leaving.signal);
      asked.push(answer.message);
      onAnswered();
    } catch (error) {
      asked.pop();
      failed(answer, error, place.status);
      if (asked === messages && !place.prompt.value) place.prompt.value = text;
      if (error.name !== "AbortError") onRefused(error);
    } finally {
      answer.end();
      leaving = null;
      working(false);
      expect();
    }
  }

  function working(busy) {
    byId("send").disabled = busy;
    byId("stop").hidden = !busy;
  }

  place.form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = place.prompt.value.trim();
    if (!text || leaving) return;
    place.prompt.value = "";
    send(text);
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
      const draft = place.prompt.value.trim();
      if (messages.length || draft) {
        place.prompt.value = draft ? `${draft}\n${text}` : text;
        place.prompt.focus();
      } else send(text);
    });
    byId("examples").append(button);
  }
  offerSamples();
  begin();
}

/** Offers the models of /v1/models that can be talked to. */
export function offerModels(models) {
  const names = models.filter(({ niche }) => niche.role !== "embedding").map(({ id }) => id);
  const options = names.map((name) => element("option", { value: name }, name));
  show(byId("model"), ...options);
}

async function answered(messages, answer, place, signal) {
  place.status.textContent = "Waiting for the answer.";
  const body = {
    temperature: 0,
    max_tokens: Number(byId("tokens").value) || 128,
    ...parameters(),
    model: byId("model").value,
    messages,
    stream: true,
    stream_options: { include_usage: true },
  };
  if (body.model === AUTO) {
    answer.route = await ask("/v1/niche/route", { messages }, signal);
    explain(messages, answer, place, signal);
  }
  choose(place, answer);
  const started = performance.now();
  const passed = () => (performance.now() - started) / 1000;
  for await (const event of stream("/v1/chat/completions", body, signal)) {
    if (event.niche) {
      const niche = { first_token_seconds: passed(), ...answer.niche, ...event.niche, usage: event.usage };
      if (event.usage) niche.whole_seconds = passed();
      answer.decided(niche);
      showChosen(place, answer);
    }
    if (event.choices.length) answer.add(event.choices[0]);
  }
  place.status.textContent = `${answer.niche.model} has answered.`;
}

/** Adds what led to the decision, which takes longer than deciding: no answer waits for it. */
async function explain(messages, answer, place, signal) {
  try {
    const body = { messages: [...messages], explain: true };
    answer.route.explanation = (await ask("/v1/niche/route", body, signal)).explanation;
  } catch {
    return; // the decision stands without it, and the answer's own request tells what is wrong
  }
  showChosen(place, answer);
}

/** Shows the decision of one answer beside the conversation. */
function choose(place, answer) {
  place.shown = answer;
  for (const item of place.turns.children) item.setAttribute("aria-current", item === answer.item);
  showChosen(place, answer);
}

function showChosen(place, answer) {
  if (place.shown !== answer || !(answer.route || answer.niche)) return;
  showDecision(place.decision, answer.route, answer.niche);
}

/** The first tool call that waits for its result. */
function openCall(messages) {
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  const results = messages.slice(last + 1).map((message) => message.tool_call_id);
  return messages[last]?.tool_calls?.find(({ id }) => !results.includes(id));
}

function question(who, text) {
  return element("li", { class: "user" }, element("p", { class: "who" }, who), element("p", { class: "said" }, text));
}

function failed(answer, error, status) {
  const stopped = error.name === "AbortError";
  const text = stopped ? "Stopped." : error.message;
  answer.note(text, stopped ? "note" : "wrong");
  status.textContent = text;
}
