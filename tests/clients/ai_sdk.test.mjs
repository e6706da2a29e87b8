// Vercel's AI SDK: its providers for Responses, for chat completions and for Messages.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

const load = createRequire(`${process.cwd()}/work/clients/node/`);
const { APICallError, Output, embed, generateText, isStepCount, jsonSchema, streamText, tool } = load("ai");
const { createAnthropic } = load("@ai-sdk/anthropic");
const { createOpenAI } = load("@ai-sdk/openai");
const { createOpenAICompatible } = load("@ai-sdk/openai-compatible");

const address = process.env.NICHE_ADDRESS;
const server = { baseURL: `${address}/v1`, apiKey: "a-key-of-the-clients" };
const openai = createOpenAI(server);
const compatible = createOpenAICompatible({ ...server, name: "niche", includeUsage: true, supportsStructuredOutputs: true });
const providers = {
  responses: (model) => openai(model),
  chat: (model) => openai.chat(model),
  compatible: (model) => compatible(model),
  messages: (model) => createAnthropic(server)(model),
};
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const picture = [
  { role: "user", content: [{ type: "text", text: "What is it?" }, { type: "image", image: PNG }] },
];
const place = jsonSchema({
  type: "object",
  properties: { name: { type: "string" }, kind: { type: "string", enum: ["town", "village"] } },
  required: ["name", "kind"],
  additionalProperties: false,
});

function tools(called) {
  const inputSchema = jsonSchema({
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  });
  const named = (name) =>
    tool({
      description: `the ${name}`,
      inputSchema,
      execute: async ({ city }) => {
        called.push(name);
        return `${name} of ${city}`;
      },
    });
  return { get_weather: named("get_weather"), get_time: named("get_time") };
}

function scenario(name, run) {
  for (const [dialect, make] of Object.entries(providers)) {
    test(`${name}[${dialect}]`, { timeout: 60_000 }, () => run(make));
  }
}

async function idle() {
  for (const end = Date.now() + 5000; Date.now() < end; ) {
    const metrics = await (await fetch(`${address}/metrics`)).text();
    if (metrics.includes("niche_requests_in_flight 0.0")) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

function refused(status) {
  return (error) => APICallError.isInstance(error) && error.statusCode === status;
}

scenario("plain", async (make) => {
  const answer = await generateText({ model: make("auto"), prompt: "a SQL query" });
  assert.match(answer.text, /^sql /);
  assert.equal(answer.finishReason, "stop");
});

scenario("stream", async (make) => {
  const whole = await generateText({ model: make("auto"), prompt: "hello" });
  const pieces = await Array.fromAsync(streamText({ model: make("auto"), prompt: "hello" }).textStream);
  assert.ok(pieces.length > 2);
  assert.equal(pieces.join(""), whole.text);
});

scenario("usage", async (make) => {
  const { usage } = await generateText({ model: make("auto"), prompt: "hello" });
  assert.ok(usage.inputTokens > 0);
  assert.ok(usage.outputTokens > 0);
});

scenario("usage_in_a_stream", async (make) => {
  const answer = streamText({ model: make("auto"), prompt: "hello" });
  await answer.consumeStream();
  assert.ok((await answer.usage).outputTokens > 0);
});

scenario("structured", async (make) => {
  const answer = await generateText({
    model: make("auto"),
    prompt: "hello",
    output: Output.object({ schema: place }),
  });
  assert.ok(["town", "village"].includes(answer.output.kind));
});

scenario("one_tool", async (make) => {
  const called = [];
  const answer = await generateText({
    model: make("auto"),
    prompt: "call get_weather for Paris",
    tools: tools(called),
    stopWhen: isStepCount(3),
  });
  assert.deepEqual(called, ["get_weather"]);
  assert.ok(answer.text);
});

scenario("one_tool_in_a_stream", async (make) => {
  const called = [];
  const answer = streamText({
    model: make("auto"),
    prompt: "call get_weather for Paris",
    tools: tools(called),
    stopWhen: isStepCount(3),
  });
  assert.ok(await answer.text);
  assert.deepEqual(called, ["get_weather"]);
});

scenario("a_named_tool", async (make) => {
  const called = [];
  await generateText({
    model: make("auto"),
    prompt: "hello",
    tools: tools(called),
    toolChoice: { type: "tool", toolName: "get_time" },
  });
  assert.deepEqual(called, ["get_time"]);
});

scenario("parallel_tools", async (make) => {
  const called = [];
  const answer = await generateText({
    model: make("auto"),
    prompt: "call get_weather and get_time for Paris",
    tools: tools(called),
    stopWhen: isStepCount(3),
  });
  assert.deepEqual(called.sort(), ["get_time", "get_weather"]);
  assert.equal(answer.steps.length, 2);
});

async function toolLoop(make, providerOptions) {
  const called = [];
  const messages = [];
  const models = new Set();
  for (const text of ["a SQL query: call get_weather for Paris", "and call get_weather for Rome", "thank you"]) {
    messages.push({ role: "user", content: text });
    const answer = await generateText({
      model: make("auto"),
      messages,
      tools: tools(called),
      stopWhen: isStepCount(3),
      providerOptions,
    });
    for (const step of answer.steps) models.add(step.response.modelId);
    messages.push(...answer.response.messages);
  }
  assert.deepEqual(called, ["get_weather", "get_weather"]);
  assert.deepEqual([...models], ["sql"]);
}

scenario("tool_loop_of_three_turns", (make) => toolLoop(make));

test("tool_loop_that_is_not_stored", () => toolLoop(providers.responses, { openai: { store: false } }));

test("tool_loop_of_references", async () => {
  const sent = [];
  const openai = createOpenAI({
    ...server,
    fetch: (url, init) => {
      sent.push(...JSON.parse(init.body).input.map((item) => item.type ?? "message"));
      return fetch(url, init);
    },
  });
  await toolLoop((model) => openai(model));
  assert.ok(sent.includes("item_reference"));
});

scenario("image", async (make) => {
  const answer = await generateText({ model: make("auto"), messages: picture });
  assert.match(answer.text, /^generalist /);
});

scenario("image_for_a_model_that_sees_none", async (make) => {
  await assert.rejects(generateText({ model: make("sql"), messages: picture, maxRetries: 0 }), refused(400));
});

scenario("unknown_model", async (make) => {
  await assert.rejects(generateText({ model: make("nope"), prompt: "hello", maxRetries: 0 }), refused(404));
});

scenario("bad_parameter", async (make) => {
  await assert.rejects(
    generateText({ model: make("auto"), prompt: "hello", topP: 2, maxRetries: 0 }),
    refused(400),
  );
});

test("bad_key", async () => {
  const model = createOpenAI({ ...server, apiKey: "another" })("auto");
  await assert.rejects(generateText({ model, prompt: "hello", maxRetries: 0 }), refused(401));
});

scenario("cancellation", async (make) => {
  const aborting = new AbortController();
  const answer = streamText({
    model: make("auto"),
    prompt: "the SLOW one",
    abortSignal: aborting.signal,
    onError: () => {},
  });
  for await (const _ of answer.textStream) aborting.abort();
  assert.ok(await idle());
});

scenario("retries", async (make) => {
  const answer = await generateText({ model: make("busy"), prompt: `hello ${Date.now()}`, maxRetries: 2 });
  assert.ok(answer.text);
});

test("embeddings", async () => {
  const { embedding } = await embed({ model: openai.embedding("vectors"), value: "hello" });
  assert.ok(embedding.length > 2);
});
