// The playground: examples, the composer, and the models that can be asked.

import { Conversation } from "/page/conversation.js";
import { byId, element, show } from "/page/element.js";
import { offerSamples } from "/page/parameters.js";

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
  const conversation = new Conversation(onRefused, onAnswered);
  const prompt = byId("prompt");
  byId("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = prompt.value.trim();
    if (!text || conversation.isAnswering) return;
    prompt.value = "";
    conversation.send(text);
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) prompt.form.requestSubmit();
  });
  byId("stop").addEventListener("click", () => conversation.stop());
  byId("new").addEventListener("click", () => {
    conversation.begin();
    prompt.focus();
  });
  for (const [domain, text] of Object.entries(EXAMPLES)) {
    const button = element("button", { type: "button", class: "chip", title: text }, domain);
    button.addEventListener("click", () => take(text, conversation));
    byId("examples").append(button);
  }
  offerSamples();
}

/** Asks an example; where a conversation or a draft would be lost, it goes into the composer. */
function take(text, conversation) {
  const prompt = byId("prompt");
  const draft = prompt.value.trim();
  if (conversation.isEmpty && !draft) {
    conversation.send(text);
  } else {
    prompt.value = draft ? `${draft}\n${text}` : text;
    prompt.focus();
  }
}

/** Offers the models of /v1/models that can be talked to. */
export function offerModels(models) {
  const talking = ["auto", "generalist", "specialist"];
  const names = models.filter(({ niche }) => talking.includes(niche.role)).map(({ id }) => id);
  const options = names.map((name) => element("option", { value: name }, name));
  show(byId("model"), ...options);
}
