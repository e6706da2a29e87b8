// What led to a decision: the text with the parts that mattered, a training prompt like it, its form.

import { element } from "/page/element.js";
import { count, percent, points } from "/page/format.js";

const LEAST = 0.005;
/** An effect that is marked as strongly as the strongest, if none is stronger. */
const STRONG = 0.1;

/** The explanation of `route`, an answer of /v1/niche/route. */
export function explanation(route) {
  const { source, pieces, neighbours, form } = route.explanation;
  if (!source) return null;
  return element(
    "div",
    { class: "explanation" },
    words(pieces, route.domain),
    neighbours.length ? nearest(neighbours[0]) : null,
    form ? element("p", { class: "note" }, `Form: ${form.name}, ${percent(form.probability, 0)}`) : null,
    element("p", { class: "note" }, read(source, route.truncated)),
  );
}

function words(pieces, domain) {
  const effects = pieces.map((piece) => Math.abs(piece.effect ?? 0));
  const strongest = Math.max(STRONG, ...effects);
  const matters = effects.some((effect) => effect >= LEAST);
  return element(
    "figure",
    { class: "words" },
    element("figcaption", {}, `What speaks for ${domain}, and `, element("span", { class: "against" }, "against it")),
    element(
      "p",
      { tabindex: "0", role: "group", "aria-label": "The text that was read" },
      ...pieces.map((piece) => marked(piece, strongest)),
    ),
    matters ? null : element("p", { class: "note" }, `No single part changes it by ${points(LEAST)} points.`),
  );
}

function marked({ text, effect }, strongest) {
  if (effect === null) return element("span", { class: "label" }, text);
  if (Math.abs(effect) < LEAST) return text;
  const kind = effect > 0 ? "for" : "against";
  const mark = element("mark", { class: kind, title: `Without it: ${points(-effect)} points` }, text);
  mark.style.setProperty("--strength", Math.abs(effect) / strongest);
  return mark;
}

function nearest({ text, domain, similarity }) {
  return element(
    "figure",
    { class: "nearest" },
    element("figcaption", {}, `Nearest training prompt: ${domain}, similarity ${similarity.toFixed(2)}`),
    element("blockquote", {}, text),
  );
}

function read({ turns_back: back, with_system: system, characters, shortened }, truncated) {
  let what = "the last message";
  if (back) what = `the message ${back === 1 ? "" : `${back} `}before the last, which the last one follows up`;
  if (system) what += ", with the system prompt";
  if (shortened) what += `; shortened from ${count(characters)} characters`;
  else if (truncated) what += "; cut before it was classified";
  return `Read: ${what}.`;
}
