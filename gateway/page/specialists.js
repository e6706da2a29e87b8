// The state of each specialist, and the evidence for and against it.

import { balance, netWorth } from "/page/balance.js";
import { element, show } from "/page/element.js";
import { count, points, short, when } from "/page/format.js";

const STATES = {
  candidate: "configured, but gets no requests",
  shadow: "the generalist answers; the specialist is compared",
  active: "it answers the requests of its domain",
  probation: "it was worse: the generalist answers, and it is compared more often",
  retired: "it was worse again: it gets no requests",
};
const BY = { evidence: "by evidence", operator: "by the operator", version: "a new version" };

const NOTE =
  "The bars show e-values: evidence for the claim beside them, which is accepted at its threshold. " +
  "A wrong claim ever reaches its threshold with a probability of at most one in the threshold, however " +
  "often one looks; the claim about the latest answers, whose test restarts, is accepted wrongly at most " +
  "once in that many pairs. Grey claims have no effect in the present state.";

const IDLE = ", no effect in this state";

const opened = new Set();

/** A card for each specialist; `pools` names the pool of each model that shares replicas. */
export function showSpecialists(place, { specialists, settings, currency }, pools) {
  if (!specialists.length) {
    show(place, element("p", { class: "empty" }, "This stack has no specialists."));
    return;
  }
  const cards = specialists.map((of) => card(of, settings.grading?.[of.name], pools[of.name], currency));
  show(place, element("div", { class: "specialists" }, ...cards), element("p", { class: "note" }, NOTE));
}

function card(of, grading, pool, currency) {
  const said = balance(of, currency);
  const facts = [
    `since ${when(of.since)}`,
    `${count(of.requests)} requests`,
    `${count(of.pairs)} compared`,
    grading ? `graded by ${grading}` : null,
    pool ? `in the pool ${pool}` : null,
  ];
  return element(
    "article",
    { class: "card" },
    element(
      "h3",
      {},
      of.name,
      element("span", { class: `badge ${of.state}` }, of.state),
      of.pinned ? element("span", { class: "badge pinned" }, "pinned by the operator") : null,
    ),
    steps(of.state),
    element("p", {}, `${capital(STATES[of.state] || of.state)}.`),
    said ? element("p", { class: "balance" }, said) : null,
    element("p", { class: "note" }, facts.filter(Boolean).join(" · ")),
    element("ul", { class: "tests", "aria-label": "Evidence" }, ...of.tests.map(test)),
    history(of, currency),
  );
}

function steps(current) {
  const names = Object.keys(STATES);
  const items = names.map((name) =>
    element("li", { "aria-current": name === current ? "step" : null, title: STATES[name] }, name),
  );
  return element("ol", { class: "steps", "aria-label": "States" }, ...items);
}

/** How far evidence has come to its threshold, on the scale of factors that it is made of. */
function test({ claim, e_value: value, threshold, in_force: inForce }) {
  const share = Math.min(1, Math.max(0, Math.log(value) / Math.log(threshold)));
  const fill = element("span", { class: value >= threshold ? "fill reached" : "fill" });
  fill.style.width = `${100 * share}%`;
  const said = `${short(value)} of ${short(threshold)}`;
  return element(
    "li",
    { class: inForce ? null : "idle" },
    element("span", { class: "claim" }, capital(claim)),
    element("span", { class: "track", "aria-hidden": "true" }, fill),
    element("span", { class: "value" }, said, !inForce && element("span", { class: "visually-hidden" }, IDLE)),
  );
}

function history(of, currency) {
  if (!of.transitions.length) return null;
  const rows = of.transitions.map(({ time, from, to, by, reason, comparison }) =>
    element(
      "li",
      {},
      element("time", { datetime: new Date(time * 1000).toISOString() }, when(time)),
      ` ${from ? `${from} → ` : ""}${to}, ${BY[by] || by}. ${capital(reason)}.`,
      comparison ? ` Quality ${points(comparison.quality.mean)} points.` : null,
      comparison?.net_worth ? ` Net worth ${netWorth(comparison.net_worth, currency)}.` : null,
    ),
  );
  const details = element(
    "details",
    { open: opened.has(of.name) },
    element("summary", {}, `History (${rows.length})`),
    element("ol", { class: "history" }, ...rows),
  );
  details.addEventListener("toggle", () => {
    if (details.open) opened.add(of.name);
    else opened.delete(of.name);
  });
  return details;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, "");
}
