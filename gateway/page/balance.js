// What a specialist gains and costs beside the generalist, in words.

import * as as from "/page/format.js";

const KEPT = { save: "saves", cost: "costs", take: "takes", gain: "gains", lose: "loses", tie: "is as good" };
const TRIED = {
  ...{ save: "would save", cost: "would cost", take: "would take" },
  ...{ gain: "would gain", lose: "would lose", tie: "would be as good" },
};
const GONE = { save: "saved", cost: "cost", take: "took", gain: "gained", lose: "lost", tie: "was as good" };

const STATES = {
  shadow: ["On trial", TRIED],
  active: ["Kept", KEPT],
  probation: ["On probation", TRIED],
  retired: ["Retired", GONE],
};

/** "Kept: saves 0.42 USD per 1,000 requests and loses 1.3 points." Null where nothing was compared. */
export function balance({ state, comparison, transitions }, currency) {
  // A state begins without evidence, and a retired specialist gets none: its last is from before.
  const compared = state === "retired" ? transitions[0]?.comparison : comparison;
  if (!STATES[state] || !compared) return null;
  const [lead, words] = STATES[state];
  const parts = [money(compared, words, currency), quality(compared.quality, words)];
  const sum = compared.net_worth ? ` Net worth: ${netWorth(compared.net_worth, currency)}.` : "";
  return `${lead}: ${parts.filter(Boolean).join(" and ")}.${sum}`;
}

/** Net worth with its sign: "+0.29 USD per 1,000 requests". */
export function netWorth(difference, currency) {
  const { many, said } = as.batch(difference.mean);
  return `${as.signedMoney(many * difference.mean)} ${currency} per ${said} requests${chance(difference)}`;
}

/** Whether models have prices: without any, each difference in what they cost is nothing. */
export function priced(expense) {
  return Boolean(expense) && [expense.mean, expense.low, expense.high].some((value) => value !== 0);
}

/** In money; in the engines' time where there are no prices; null where neither is known. */
function money({ expense, engine_seconds: seconds }, words, currency) {
  if (priced(expense)) {
    const { many, said: number } = as.batch(expense.mean);
    const amount = as.money(many * Math.abs(expense.mean), currency);
    const said = expense.mean <= 0 ? `${words.save} ${amount}` : `${words.cost} ${amount} more`;
    return `${said} per ${number} requests${chance(expense)}`;
  }
  if (!priced(seconds)) return null;
  const amount = as.short(1000 * Math.abs(seconds.mean));
  const said = seconds.mean <= 0 ? `${words.save} ${amount}` : `${words.take} ${amount} more`;
  return `${said} engine seconds per 1,000 requests${chance(seconds)}`;
}

function quality(difference, words) {
  const size = as.points(Math.abs(difference.mean)).replace("+", "");
  if (Number(size) === 0) return words.tie;
  return `${difference.mean > 0 ? words.gain : words.lose} ${size} points${chance(difference)}`;
}

function chance({ low, high }) {
  return low <= 0 && high >= 0 ? " (may be chance)" : "";
}
