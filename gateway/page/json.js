// JSON as people read it: every token stays as it was sent, and only the space between them changes.

const TOKEN = /"(?:[^"\\]|\\.)*"|\{\s*\}|\[\s*\]|[{}[\],:]|[^\s"{}[\],:]+/g;

/** The text with a line for each value; null if it is no JSON object or array. */
export function formatted(text) {
  if (!/^\s*[{[]/.test(text) || !valid(text)) return null;
  let line = "\n";
  let laidOut = "";
  for (const [token] of text.matchAll(TOKEN)) {
    if ("}]".includes(token)) {
      line = line.slice(0, -2);
      laidOut += line;
    }
    laidOut += token === ":" ? ": " : token;
    if ("{[".includes(token)) line += "  ";
    if ("{[,".includes(token)) laidOut += line;
  }
  return laidOut;
}

/** The object that a text is; null if it is none. */
export function objectOf(text) {
  const value = valid(text) ? JSON.parse(text) : null;
  return typeof value === "object" && !Array.isArray(value) ? value : null;
}

function valid(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
