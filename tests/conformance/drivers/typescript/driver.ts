// SPDX-License-Identifier: Apache-2.0

// The driver of the conformance scenarios for TypeScript: does what the runner asks for, a line
// of JSON each, by the public surface of the SDK alone. Orders may overlap; each is answered when
// it is done.

import { createInterface } from "node:readline";
import {
  type Client,
  connect,
  fromJson,
  type JsonValue,
  NodeSpecSchema,
  ServiceSchema,
  ServiceSpecSchema,
  SkepError,
  SwarmSpecSchema,
  toJson,
} from "@skep/client";
import { asEdited, setting } from "./edit.js";
import { Forgetful, faultFromEnv } from "./faults.js";
import { Broken, field, type Json, number, text } from "./json.js";
import { call, method } from "./methods.js";
import { readStream, Watches } from "./streams.js";

const fault = faultFromEnv();
const clients: Client[] = [];
const watches = new Watches(fault);
let forgetful: Forgetful | undefined;

async function obey(order: Json): Promise<Json> {
  switch (text(order, "op")) {
    case "connect": {
      const client = await connect({ host: text(order, "host") });
      clients.push(client);
      return {};
    }
    case "watch_open":
      return watches.open(connected(), order);
    case "watch_next":
      return watches.next(order);
    case "watch_close":
      return watches.close(order);
    case "call":
      return { response: await unary(order) };
    case "stream":
      return readStream(connected(), order);
    case "wait":
      return wait(order);
    case "edit":
      return edit(order);
    case "close":
      for (const client of clients) {
        client.close();
      }
      forgetful?.close();
      return {};
    default:
      throw new Broken(`there is no op ${JSON.stringify(order.op)}`);
  }
}

/** The client of the last connect. */
function connected(): Client {
  const client = clients.at(-1);
  if (client === undefined) {
    throw new Broken("connect comes first");
  }
  return client;
}

async function unary(order: Json): Promise<JsonValue> {
  const client = connected();
  const found = method(text(order, "method"));
  const request = fromJson(found.input, field(order, "request") ?? {});
  const timeoutMs = number(order, "timeout_ms");
  const options = timeoutMs === undefined ? {} : { timeoutMs };
  if (fault === "forget_request_id") {
    forgetful ??= new Forgetful(client);
    return toJson(found.output, await forgetful.call(found, request, options));
  }
  return toJson(found.output, await call(client, found, request, options));
}

async function wait(order: Json): Promise<Json> {
  const client = connected();
  const { service } = await client.services.getService({ service: text(order, "service") });
  const stableForMs = number(order, "stable_for_ms");
  const waited = await client.waitConverged(service, {
    timeoutMs: number(order, "timeout_ms"),
    ...(stableForMs !== undefined && { stableForMs }),
  });
  return { service: toJson(ServiceSchema, waited) };
}

async function edit(order: Json): Promise<Json> {
  const client = connected();
  const name = text(order, "name");
  switch (text(order, "kind")) {
    case "service":
      return asEdited(await client.editService(name, setting(ServiceSpecSchema, order)));
    case "node":
      return asEdited(await client.editNode(name, setting(NodeSpecSchema, order)));
    case "swarm":
      return asEdited(await client.editSwarm(setting(SwarmSpecSchema, order)));
    default:
      throw new Broken(`there is no kind ${JSON.stringify(order.kind)}`);
  }
}

/** An error as the runner reads it; DRIVER: the order was no order, which no SDK says. */
function failure(error: unknown): Json {
  if (error instanceof SkepError) {
    const { code, reason, message, metadata, violations } = error;
    const fields = violations.map(({ field, description }) => ({ field, description }));
    return { code, reason, message, metadata: { ...metadata }, violations: fields };
  }
  const message = error instanceof Broken ? error.message : String((error as Error).stack);
  return { code: "DRIVER", reason: "", message, metadata: {}, violations: [] };
}

async function answer(line: string): Promise<void> {
  let id: JsonValue = null;
  let answer: Json;
  try {
    const order = JSON.parse(line) as Json;
    id = order.id ?? null;
    answer = { id, ok: await obey(order) };
  } catch (error) {
    answer = { id, error: failure(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  void answer(line);
}
