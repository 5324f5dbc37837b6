// The official openai Node client, unchanged, against a running platform (addresses from `slipway env`).
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

const model = process.env.CONFORMANCE_ENDPOINT;
const question = "What is a rollback?";
const answer = "A rollback brings the last good version of a model back.";
const client = new OpenAI({ maxRetries: 0, timeout: 30_000 });
const messages = [{ role: "user", content: question }];

test("chat answers the known question exactly", async () => {
  const got = await client.chat.completions.create({ model, messages, temperature: 0 });
  assert.equal(got.choices[0].message.content, answer);
  assert.equal(got.choices[0].finish_reason, "stop");
  assert.equal(got.usage.total_tokens, got.usage.prompt_tokens + got.usage.completion_tokens);
});

test("streamed deltas join to the same answer, with usage when asked", async () => {
  const stream = await client.chat.completions.create({
    model, messages, temperature: 0, stream: true, stream_options: { include_usage: true },
  });
  let text = "", usage = null, chunks = 0;
  for await (const chunk of stream) {
    chunks++;
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, answer);
  assert.ok(chunks > 3);
  assert.ok(usage.completion_tokens > 0);
});

test("the stream helper assembles the final completion", async () => {
  const final = await client.chat.completions.stream({ model, messages, temperature: 0 }).finalChatCompletion();
  assert.equal(final.choices[0].message.content, answer);
});

test("an aborted stream leaves the platform answering", async () => {
  const stream = await client.chat.completions.create({
    model, messages: [{ role: "user", content: "Tell me a story about a fox." }], stream: true,
  });
  for await (const _ of stream) break;
  stream.controller.abort();
  const got = await client.chat.completions.create({ model, messages, temperature: 0 });
  assert.equal(got.choices[0].message.content, answer);
});

test("embeddings have the model's length", async () => {
  const got = await client.embeddings.create({ model, input: ["the fox ran", "the dog sat"] });
  assert.deepEqual(got.data.map((d) => d.index), [0, 1]);
  assert.equal(got.data[0].embedding.length, 192);
});

test("models lists the endpoint", async () => {
  const ids = [];
  for await (const m of client.models.list()) ids.push(m.id);
  assert.ok(ids.includes(model));
});

test("errors have their kind", async () => {
  await assert.rejects(client.chat.completions.create({ model: "no-such-endpoint", messages }), OpenAI.NotFoundError);
  await assert.rejects(client.chat.completions.create({ model, messages, n: 3 }), (e) => e instanceof OpenAI.BadRequestError && e.param === "n");
  await assert.rejects(new OpenAI({ apiKey: "slw_wrong", maxRetries: 0 }).models.list(), OpenAI.AuthenticationError);
});
