// Numbers as people read them. A minus is a minus sign, and what is not known is a dash.

const DASH = "–";
const LEAST_MONEY = 0.01;

export function percent(share, digits = 1) {
  return known(share) ? `${fixed(100 * share, digits)} %` : DASH;
}

/** A difference of qualities, which are shares, in points. */
export function points(difference) {
  return known(difference) ? signed(100 * difference, 1) : DASH;
}

export function seconds(value) {
  return known(value) ? `${fixed(value, value < 10 ? 2 : 1)} s` : DASH;
}

export function signedSeconds(value) {
  return known(value) ? signed(value, 2) : DASH;
}

export function count(value) {
  return known(value) ? value.toLocaleString("en-GB") : DASH;
}

/** Money, with three digits that count. */
export function money(value, currency) {
  if (!known(value)) return DASH;
  const amount = value > 0 && value < LEAST_MONEY ? `less than ${LEAST_MONEY}` : plain(value);
  return `${amount} ${currency || ""}`.trim();
}

/** A difference in price. */
export function signedMoney(value) {
  return known(value) ? `${value > 0 ? "+" : ""}${plain(value)}` : DASH;
}

/** For how many requests to tell prices: that of one has too many zeros to read. */
export function batch(...prices) {
  const thousand = 1000 * Math.max(...prices.map(Math.abs));
  return thousand > 0 && thousand < 1 ? { many: 1e6, said: "1 million" } : { many: 1000, said: "1,000" };
}

/** A number of any size, short: 0.002, 66.2, 4.2 × 10⁷. */
export function short(value) {
  if (!known(value)) return DASH;
  if (Math.abs(value) >= 1e6) {
    const [digits, power] = value.toExponential(1).split("e+");
    return `${digits} × 10${power.replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit])}`;
  }
  if (Math.abs(value) >= 1000) return count(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

export function when(unixSeconds) {
  if (!known(unixSeconds)) return DASH;
  return new Date(unixSeconds * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

export function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function signed(value, digits) {
  const text = fixed(value, digits);
  return value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

function fixed(value, digits) {
  return value.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−");
}

function plain(value) {
  const digits = value === 0 ? 0 : Math.min(12, Math.max(2, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return fixed(value, digits);
}
