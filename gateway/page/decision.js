// The decision: which model answers and why, how likely each domain is, and what it cost.

import { element, show } from "/page/element.js";
import { explanation } from "/page/explanation.js";
import { known, money, percent, seconds } from "/page/format.js";

const REASONS = {
  routed: "The classifier is sure, and the text is like the training prompts: the specialist answers.",
  general: "The text belongs to no specialist here: the generalist answers.",
  low_confidence: "The likeliest domain is not likely enough: the generalist answers.",
  out_of_distribution: "Likely enough, but unlike anything the specialist was trained on: the generalist answers.",
  requested: "The request names this model.",
  unhealthy: "The first choice fails or is down: the next one answers.",
  overloaded: "The first choice has a full queue: the next one answers.",
  context_length_exceeded: "The request does not fit the first choice's context: the next one answers.",
  guarantee_infeasible: "No confidence is enough for the configured guarantee: the generalist answers.",
  classifier_unavailable: "The classifier failed or did not answer in time: the generalist answers.",
  no_active_specialist: "No specialist of the domain is active: the generalist answers.",
  lacks_capability: "The domain's specialist cannot do what the request needs, such as call tools: the next that can answers.",
  same_conversation: "The request answers this model's tool calls.",
};

export function showNoDecision(place) {
  show(place, element("p", { class: "empty" }, "Ask something: which model answers, and why, is shown here."));
}

/**
 * Shows a decision.
 * `route` is the answer of /v1/niche/route, or null where the model was named; its explanation may
 * come later;
 * `niche` what came with the stream, as far as it is known, and null before.
 */
export function showDecision(place, route, niche) {
  const said = niche || route;
  show(
    place,
    element(
      "p",
      { class: "verdict" },
      element("strong", {}, said.model),
      niche && known(niche.whole_seconds) ? " answered" : " answers",
    ),
    element("p", { class: "why" }, REASONS[said.reason] || `Reason: ${said.reason}.`),
    route && Object.keys(route.probabilities).length ? probabilities(route) : null,
    route && route.explanation ? explanation(route) : null,
    facts(said, route, niche),
    route && route.truncated && !route.explanation
      ? element("p", { class: "note" }, "The text was cut before it was classified.")
      : null,
    route && route.guarantee ? element("p", { class: "note" }, route.guarantee) : null,
  );
}

function probabilities(route) {
  const rows = Object.entries(route.probabilities).sort((a, b) => b[1] - a[1]);
  const needed = route.min_confidence;
  return element(
    "figure",
    { class: "bars" },
    element("figcaption", {}, "How likely each domain is"),
    element("ul", {}, ...rows.map(([domain, share]) => bar(domain, share, needed, route.domain))),
    known(needed)
      ? element("p", { class: "note" }, `The line marks ${percent(needed, 0)}, which a specialist needs.`)
      : null,
  );
}

function bar(domain, share, needed, chosen) {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${100 * share}%`;
  const line = element("span", { class: "line" });
  line.style.left = `${100 * needed}%`;
  return element(
    "li",
    { class: domain === chosen ? "chosen" : null },
    element("span", { class: "name" }, domain),
    element("span", { class: "track", "aria-hidden": "true" }, fill, known(needed) && line),
    element("span", { class: "value" }, percent(share)),
  );
}

function facts(said, route, niche) {
  const rows = [];
  const add = (name, value) => rows.push(element("dt", {}, name), element("dd", {}, value));
  if (route && known(route.ood_score)) {
    add("OOD score", `${route.ood_score.toFixed(2)} (at most ${route.max_ood_score.toFixed(2)})`);
  }
  if (route && niche && niche.model !== route.model) add("First choice", route.model);
  if (niche && known(niche.cost)) {
    add("Cost", money(niche.cost, niche.currency));
    add("At the generalist", money(niche.baseline_cost, niche.currency));
    addSaving(niche, add);
  }
  if (niche && known(niche.first_token_seconds)) add("Time to first token", seconds(niche.first_token_seconds));
  if (niche && known(niche.whole_seconds)) add("Total time", seconds(niche.whole_seconds));
  if (niche && niche.usage) {
    add("Tokens", `${niche.usage.prompt_tokens} in, ${niche.usage.completion_tokens} out`);
  }
  return rows.length ? element("dl", { class: "facts" }, ...rows) : null;
}

function addSaving(niche, add) {
  if (!(niche.baseline_cost > 0) || niche.cost === niche.baseline_cost) return;
  const share = 1 - niche.cost / niche.baseline_cost;
  add(share > 0 ? "Saved" : "More expensive by", percent(Math.abs(share), 0));
}
