// The gateway over HTTP: the key, errors with the gateway's messages, and streams of events.

const KEY = "niche.api-key";

/** A failed request. `status` is 0 where there was no response. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** The parsed answer to a GET, or to a POST where there is a body. */
export async function ask(path, body, signal) {
  const answer = await request(path, body, signal);
  return answer.json();
}

/** The events of a streamed answer, parsed; ends after `[DONE]`. */
export async function* stream(path, body, signal) {
  const answer = await request(path, body, signal);
  let ended = false;
  for await (const data of events(answer.body)) {
    if (data === "[DONE]") {
      ended = true;
      continue;
    }
    const event = JSON.parse(data);
    if (event.error) throw new Refused(500, event.error.message);
    yield event;
  }
  if (!ended) throw new Refused(0, "The answer is incomplete: the stream ended early.");
}

async function request(path, body, signal) {
  const headers = {};
  if (key.get()) headers.authorization = `Bearer ${key.get()}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const options = { headers, signal, method: body === undefined ? "GET" : "POST" };
  if (body !== undefined) options.body = JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The gateway does not answer.");
  }
  if (!answer.ok) throw new Refused(answer.status, await words(answer));
  return answer;
}

async function words(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `The gateway answered with status ${answer.status}.`;
  }
}

async function* events(bytes) {
  const reader = bytes.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) yield part.replace(/^data: /, "");
    }
  } finally {
    reader.cancel().catch(() => {}); // a reader that left early must not keep the model working
  }
}
