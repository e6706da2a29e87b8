// The live comparison with the generalist, from /v1/niche/evidence.

import { priced } from "/page/balance.js";
import { drawn, element, byId, show } from "/page/element.js";
import * as as from "/page/format.js";
import { showSpecialists } from "/page/specialists.js";

const OFF =
  "Set gateway.shadow in niche.yaml to have a sample of the requests answered by the generalist as well, " +
  "in the background. This section then shows what routing saves, and how it changes quality.";

let shown = null;

/** Shows the evidence, unless it is unchanged: readers keep their place on the page. */
export function showEvidence(evidence, pools) {
  const { time: _, ...rest } = evidence;
  const text = JSON.stringify([rest, pools]);
  if (text === shown) return;
  shown = text;
  if (!evidence.enabled) {
    showOff();
    return;
  }
  show(byId("comparison-body"), verdict(evidence), cards(evidence), table(evidence), notes(evidence));
  showSpecialists(byId("specialists-body"), evidence, pools);
}

/** Says why there is none. */
export function showNoEvidence(error) {
  if (shown === error.message) return;
  shown = error.message;
  if (error.status === 404) {
    showOff();
    return;
  }
  const text = error.status === 401 ? "Give an API key to see the comparison." : error.message;
  show(byId("comparison-body"), element("p", { class: "empty" }, text));
  show(byId("specialists-body"), element("p", { class: "empty" }, "–"));
}

function showOff() {
  const state = element("p", { class: "empty" }, element("strong", {}, "The live comparison is off."), ` ${OFF}`);
  show(byId("comparison-body"), state);
  const text = "Without it every specialist answers all requests of its domain.";
  show(byId("specialists-body"), element("p", { class: "empty" }, text));
}

/** In words, over all requests: one that the generalist answered counts as no difference. */
function verdict({ totals, settings }) {
  const compared = totals.comparison;
  if (!compared) return element("p", { class: "verdict" }, "No answers have been compared yet.");
  const { low, high } = compared.quality;
  const margin = as.points(settings.margin).replace("+", "");
  const found = low > 0 ? "better" : low > -settings.margin ? "as good" : high < -settings.margin ? "worse" : "open";
  const quality = {
    better: "Over all requests, answers are better than the generalist's",
    "as good": `Over all requests, answers are as good as the generalist's, to within ${margin} points`,
    worse: `Over all requests, answers are worse than the generalist's by more than ${margin} points`,
    open: "It is not known yet whether answers are as good as the generalist's over all requests",
  }[found];
  const attributes = { class: "verdict", "data-quality": found };
  const share = totals.savings_share;
  if (!as.known(share)) return element("p", attributes, `${quality}.`);
  const cost = share >= 0 ? `cost ${as.percent(share)} less` : `cost ${as.percent(-share)} more`;
  return element("p", attributes, `${quality}; all answers together ${cost}.`);
}

function cards({ totals, settings, currency }) {
  const sure = as.percent(settings.confidence, 0);
  const { quality, latency_seconds: latency } = totals.comparison || {};
  const [own, generalists] = [totals.cost, totals.baseline_cost].map((cost) => cost / (totals.requests || 1));
  const { many, said } = as.batch(own, generalists);
  const costs = `${as.money(many * own)} instead of ${as.money(many * generalists, currency)}`;
  return element(
    "dl",
    { class: "cards" },
    ...card("Saved", as.percent(totals.savings_share), `${costs} per ${said} requests`),
    ...card("Quality", quality ? `${as.points(quality.mean)} points` : "–", range(quality, as.points, sure)),
    ...card("Time", latency ? `${as.signedSeconds(latency.mean)} s` : "–", range(latency, as.signedSeconds, sure)),
    ...card(
      "To specialists",
      as.percent(totals.routed_share),
      `${as.count(totals.routed)} of ${as.count(totals.requests)} requests`,
    ),
  );
}

function card(name, value, note) {
  return [
    element(
      "div",
      {},
      element("dt", {}, name),
      element("dd", { class: "big" }, value),
      element("dd", { class: "note" }, note),
    ),
  ];
}

function range(interval, said, sure) {
  return interval ? `${sure} confidence: ${said(interval.low)} to ${said(interval.high)}` : "not enough comparisons yet";
}

function table(evidence) {
  const { totals, specialists } = evidence;
  const rows = specialists.map((of) => ({ ...of, label: of.name }));
  if (totals.comparison) {
    const pairs = specialists.reduce((sum, of) => sum + of.pairs, 0);
    rows.unshift({ label: "all requests", pairs, means: null, comparison: totals.comparison });
  }
  const scale = scaleOf(rows, evidence.settings.margin);
  const measures = measuresOf(rows, evidence);
  const titles = [
    ...["", "difference in quality, points", "in time, s", ...measures.map(({ title }) => title)],
    ...["specialist's score", "generalist's", "compared"],
  ];
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Comparison per specialist" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...titles.map((title) => element("th", { scope: "col" }, title)))),
      element("tbody", {}, ...rows.map((row) => line(row, scale, evidence.settings.margin, measures))),
    ),
  );
}

/** What is shown of cost: money, or the engines' time where nothing has a price; and net worth. */
function measuresOf(rows, { settings, currency }) {
  const compared = rows.map(({ comparison }) => comparison || {});
  const figures = compared.flatMap(({ expense, net_worth: worth }) => [expense?.mean ?? 0, worth?.mean ?? 0]);
  const { many, said } = as.batch(...figures);
  const money = { name: "expense", title: `in cost, ${currency} per ${said}`, many };
  const time = { name: "engine_seconds", title: "in engine time, s per 1,000", many: 1000 };
  const costs = compared.some(({ expense }) => priced(expense)) ? money : time;
  const worth = { name: "net_worth", title: `net worth, ${currency} per ${said}`, many };
  return as.known(settings.quality_point_worth) ? [costs, worth] : [costs];
}

function line(row, scale, margin, measures) {
  const { quality, latency_seconds: latency } = row.comparison || {};
  const cell = (...children) => element("td", {}, ...children);
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, row.label),
    quality ? cell(interval(quality, scale, margin), numbers(quality, as.points)) : cell("–"),
    latency ? cell(numbers(latency, as.signedSeconds)) : cell("–"),
    ...measures.map(({ name, many }) => {
      const found = row.comparison?.[name];
      return found ? cell(numbers(found, (value) => as.signedMoney(many * value))) : cell("–");
    }),
    cell(row.means ? as.percent(row.means.specialist) : "–"),
    cell(row.means ? as.percent(row.means.generalist) : "–"),
    cell(as.count(row.pairs)),
  );
}

function numbers({ mean, low, high }, said) {
  return element(
    "span",
    { class: "numbers" },
    said(mean),
    element("span", { class: "note" }, ` ${said(low)} to ${said(high)}`),
  );
}

/** All intervals are drawn to one scale, which holds the widest of them and the margin. */
function scaleOf(rows, margin) {
  const ends = rows.flatMap(({ comparison }) => (comparison ? [comparison.quality.low, comparison.quality.high] : []));
  const most = Math.max(1.5 * margin, ...ends.map(Math.abs));
  return (value) => 80 + (74 * value) / most;
}

function interval({ mean, low, high }, scale, margin) {
  const state = low > 0 ? "better" : high < 0 ? "worse" : "open";
  const upright = (name, value) => drawn("line", { class: name, x1: scale(value), x2: scale(value), y1: 1, y2: 21 });
  return drawn(
    "svg",
    { class: `interval ${state}`, viewBox: "0 0 160 22", width: 160, height: 22, "aria-hidden": "true" },
    upright("zero", 0),
    upright("margin", -margin),
    drawn("line", { class: "span", x1: scale(low), x2: scale(high), y1: 11, y2: 11 }),
    drawn("circle", { cx: scale(mean), cy: 11, r: 4 }),
  );
}

function notes({ settings, budget, currency }) {
  const share = as.percent(settings.sample_ratio, 0);
  const texts = [
    `${share} of the requests are compared. The solid line marks no difference, the dashed line the allowed margin.`,
    "A model costs the time of its machine if that has a price, else its list price.",
  ];
  if (as.known(settings.quality_point_worth)) {
    const { many, said } = as.batch(settings.quality_point_worth);
    const worth = as.money(many * settings.quality_point_worth, currency);
    texts.push(`A point of quality is worth ${worth} per ${said} requests: net worth decides about specialists.`);
  }
  if (as.known(budget.max_tokens_per_day)) {
    const spent = `${as.count(budget.tokens_today)} of ${as.count(budget.max_tokens_per_day)} tokens`;
    texts.push(`Comparisons used ${spent} today${budget.spent ? ": the budget is spent." : "."}`);
    texts.push(`They cost ${as.money(budget.cost_today, currency)}, which the savings do not include.`);
  }
  return element("p", { class: "note" }, texts.join(" "));
}
