// An answer as it grows: its decision in a line, then reasoning, text, and tool calls.

import { element, show } from "/page/element.js";
import { percent } from "/page/format.js";
import { formatted } from "/page/json.js";

const CUT = {
  length: "Cut off at the limit of tokens.",
  content_filter: "Cut off by the model's filter.",
};

/**
 * `route` is the answer of /v1/niche/route, or null where the model was named;
 * `niche` what came with the stream; `onChosen` is called when a reader wants to see its decision.
 */
export class Answer {
  route = null;
  niche = null;
  #text = growing();
  #calls = [];

  constructor(onChosen) {
    this.line = element("button", { type: "button", class: "who", title: "Show this decision" }, "…");
    this.line.addEventListener("click", () => onChosen(this));
    this.thought = element("div", { class: "thought" });
    this.reasoning = folded("Reasoning", this.thought);
    this.body = element("div", { class: "body", "aria-live": "polite", "aria-busy": "true" }, ...this.#text.places);
    this.item = element("li", { class: "answer" }, this.line, this.reasoning, this.body);
  }

  /** What the model said, as a message of the conversation. */
  get message() {
    const calls = this.#calls.map(({ id, name, given }) => {
      return { id, type: "function", function: { name, arguments: given.text } };
    });
    const said = { role: "assistant", content: this.#text.text };
    return calls.length ? { ...said, tool_calls: calls } : said;
  }

  /** Shows how the request was decided: who answers, for which domain, and why. */
  decided(niche) {
    this.niche = niche;
    // Where nothing was to be classified, the confidence is 1.
    const sure = niche.confidence < 1 ? ` ${percent(niche.confidence)}` : "";
    const rest = ` · domain ${niche.domain}${sure} · ${niche.reason.replaceAll("_", " ")}`;
    show(this.line, element("strong", {}, niche.model), rest);
  }

  /** Adds what an event of the stream says; a reader who sees the end of the answer keeps it in sight. */
  add({ delta, finish_reason: end }) {
    const followed = this.#endIsInSight();
    this.thought.append(delta.reasoning_content ?? delta.reasoning ?? "");
    this.reasoning.hidden = !this.thought.textContent;
    this.#text.add(delta.content ?? delta.refusal);
    for (const call of delta.tool_calls ?? []) this.#addCall(call);
    if (CUT[end]) this.note(CUT[end]);
    if (followed && !this.#endIsInSight()) this.item.scrollIntoView({ block: "end", behavior: "instant" });
  }

  /** Ends the answer, which may have failed. */
  end() {
    this.body.removeAttribute("aria-busy");
    if (!this.niche) this.line.textContent = "No answer";
  }

  note(text, kind = "note") {
    this.item.append(element("p", { class: kind }, text));
  }

  #addCall({ index, id, function: called = {} }) {
    if (!this.#calls[index]) {
      const given = growing();
      this.#calls[index] = { id, name: called.name, given };
      const title = element("figcaption", {}, "Calls ", element("code", {}, called.name));
      this.body.append(element("figure", { class: "call" }, title, ...given.places));
    }
    this.#calls[index].given.add(called.arguments);
  }

  #endIsInSight() {
    const { bottom } = this.item.getBoundingClientRect();
    return bottom > 0 && bottom <= window.innerHeight;
  }
}

/** Text that grows. JSON is shown formatted, and folded below it as it was sent, to be copied. */
function growing() {
  const said = element("div", { class: "said" });
  const sent = element("div", { class: "sent" });
  const copy = folded("As sent", sent);
  return {
    text: "",
    places: [said, copy],
    add(more) {
      if (!more) return;
      this.text += more;
      const json = formatted(this.text);
      said.textContent = json ?? this.text;
      said.classList.toggle("json", json !== null);
      sent.textContent = this.text;
      copy.hidden = json === null;
    },
  };
}

function folded(title, ...children) {
  return element("details", { hidden: true }, element("summary", {}, title), ...children);
}
