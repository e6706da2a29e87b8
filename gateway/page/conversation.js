// The conversation: what was said, the answer under way, and the decision that is shown beside it.

import { Answer } from "/page/answer.js";
import { ask, stream } from "/page/api.js";
import { showDecision, showNoDecision } from "/page/decision.js";
import { byId, element, show } from "/page/element.js";
import { parameters } from "/page/parameters.js";

const AUTO = "auto";

export class Conversation {
  #messages = [];
  #leaving = null;
  #shown = null;
  #prompt = byId("prompt");
  #turns = byId("turns");
  #status = byId("status");

  /** `onRefused` is called with errors, a missing key included. */
  constructor(onRefused, onAnswered) {
    this.onRefused = onRefused;
    this.onAnswered = onAnswered;
    this.begin();
  }

  get isEmpty() {
    return !this.#messages.length && !this.isAnswering;
  }

  get isAnswering() {
    return this.#leaving !== null;
  }

  begin() {
    this.stop();
    this.#messages = [];
    this.#shown = null;
    show(this.#turns);
    showNoDecision(byId("decision"));
    byId("new").hidden = true;
    this.#expect();
  }

  stop() {
    this.#leaving?.abort();
  }

  /** Takes a question, or the result of a tool call; asks unless further results are needed. */
  send(text) {
    const call = openCall(this.#messages);
    const role = call ? { role: "tool", tool_call_id: call.id } : { role: "user" };
    this.#messages.push({ ...role, content: text });
    this.#turns.append(question(call ? resultOf(call) : "You", text));
    byId("new").hidden = false;
    this.#expect();
    if (!openCall(this.#messages)) this.#ask(text);
  }

  /** Says what comes next: a question, or the result of a tool call. */
  #expect() {
    const call = openCall(this.#messages);
    byId("prompt-label").textContent = call ? resultOf(call) : "Your question";
    this.#prompt.placeholder = call ? resultOf(call) : "Ask anything, or choose an example";
  }

  async #ask(text) {
    this.#leaving = new AbortController();
    this.#working(true);
    const messages = this.#messages;
    const answer = new Answer((chosen) => this.#choose(chosen));
    this.#turns.append(answer.item);
    answer.item.scrollIntoView({ block: "nearest", behavior: "instant" });
    try {
      await this.#answer(messages, answer, this.#leaving.signal);
      messages.push(answer.message);
      this.onAnswered();
    } catch (error) {
      messages.pop();
      if (messages === this.#messages && !this.#prompt.value) this.#prompt.value = text;
      this.#failed(answer, error);
    } finally {
      answer.end();
      this.#leaving = null;
      this.#working(false);
      this.#expect();
    }
  }

  #working(busy) {
    byId("send").disabled = busy;
    byId("stop").hidden = !busy;
  }

  async #answer(messages, answer, signal) {
    this.#status.textContent = "Waiting for the answer.";
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
      this.#explain(messages, answer, signal);
    }
    this.#choose(answer);
    const started = performance.now();
    const passed = () => (performance.now() - started) / 1000;
    for await (const event of stream("/v1/chat/completions", body, signal)) {
      if (event.niche) {
        const niche = { first_token_seconds: passed(), ...answer.niche, ...event.niche, usage: event.usage };
        if (event.usage) niche.whole_seconds = passed();
        answer.decided(niche);
        this.#showDecision(answer);
      }
      const first = event.choices.find(({ index }) => index === 0);
      if (first) answer.add(first);
    }
    this.#status.textContent = `${answer.niche.model} has answered.`;
  }

  /** Adds what led to the decision, which takes longer than deciding: no answer waits for it. */
  async #explain(messages, answer, signal) {
    try {
      const body = { messages: [...messages], explain: true };
      answer.route.explanation = (await ask("/v1/niche/route", body, signal)).explanation;
    } catch {
      return; // the decision stands without it, and the answer's own request tells what is wrong
    }
    this.#showDecision(answer);
  }

  /** Shows the decision of one answer beside the conversation. */
  #choose(answer) {
    this.#shown = answer;
    for (const item of this.#turns.children) item.setAttribute("aria-current", item === answer.item);
    this.#showDecision(answer);
  }

  #showDecision(answer) {
    if (this.#shown !== answer || !(answer.route || answer.niche)) return;
    showDecision(byId("decision"), answer.route, answer.niche);
  }

  #failed(answer, error) {
    const stopped = error.name === "AbortError";
    const text = stopped ? "Stopped." : error.message;
    answer.note(text, stopped ? "note" : "wrong");
    this.#status.textContent = text;
    if (!stopped) this.onRefused(error);
  }
}

/** The first tool call that waits for its result. */
function openCall(messages) {
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  const results = messages.slice(last + 1).map((message) => message.tool_call_id);
  return messages[last]?.tool_calls?.find(({ id }) => !results.includes(id));
}

function resultOf(call) {
  return `Result of ${call.function.name}`;
}

function question(who, text) {
  return element("li", { class: "user" }, element("p", { class: "who" }, who), element("p", { class: "said" }, text));
}
