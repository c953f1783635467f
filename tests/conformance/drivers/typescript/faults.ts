// SPDX-License-Identifier: Apache-2.0

// Bugs that an SDK could have, planted on order: the scenarios have to find each.

import { connect as connectSocket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import {
  type CallOptions,
  type Client,
  EventType,
  fromJson,
  NodeFilterSchema,
  newRequestId,
  ServiceFilterSchema,
  SkepError,
  TaskFilterSchema,
  type WatchEvent,
  type Watched,
  type WatchResponse_Event,
} from "@skep/client";
import { type Json, object, text } from "./json.js";
import { call, type Message, type Method } from "./methods.js";

/** How often something is tried again. */
const ATTEMPTS = 10;

/** Between two attempts. */
const PAUSE_MS = 200;

const FAULTS = [
  /** Of each watch, the third change is lost. */
  "drop_event",
  /** A watch that lost its connection goes on one revision too late. */
  "resume_late",
  /** A change that is repeated has another `request_id` each time. */
  "forget_request_id",
] as const;

/** The fault that this driver has. */
export type Fault = (typeof FAULTS)[number];

/** What `SKEP_DRIVER_FAULT` says. */
export function faultFromEnv(): Fault | undefined {
  const name = process.env.SKEP_DRIVER_FAULT;
  if (!name) {
    return undefined;
  }
  const fault = FAULTS.find((fault) => fault === name);
  if (fault === undefined) {
    throw new Error(`there is no fault ${JSON.stringify(name)}`);
  }
  return fault;
}

/** Calls as an SDK makes them that takes a new `request_id` for each attempt. */
export class Forgetful {
  readonly #client: Client;
  readonly #sessions: Http2SessionManager;
  readonly #origin: string;

  constructor(client: Client) {
    const { host } = client;
    const path = host.startsWith("unix://") ? host.slice("unix://".length) : undefined;
    const options = path === undefined ? {} : { createConnection: () => connectSocket({ path }) };
    this.#client = client;
    this.#origin = path === undefined ? new URL(host).origin : "http://localhost";
    this.#sessions = new Http2SessionManager(this.#origin, {}, options);
  }

  async call(method: Method, request: Message, options: CallOptions): Promise<Message> {
    if (!("requestId" in request) || request.requestId !== "") {
      return call(this.#client, method, request, options);
    }
    for (let failures = 1; ; failures++) {
      const attempt = { ...request, requestId: newRequestId() };
      try {
        return await this.#attempt(method, attempt, options);
      } catch (error) {
        const { code, metadata } = ConnectError.from(error);
        const isRefused = metadata.has("grpc-status") && code !== Code.Unavailable;
        if (isRefused || failures > ATTEMPTS) {
          // The SDK is told the same, and says it in its own words.
          return call(this.#client, method, attempt, options);
        }
        await pause(PAUSE_MS);
      }
    }
  }

  /** One attempt, with nothing of the SDK under it. */
  #attempt(method: Method, request: Message, options: CallOptions): Promise<Message> {
    const transport = createGrpcTransport({
      baseUrl: this.#origin,
      sessionManager: this.#sessions,
    });
    const stub = createClient(method.parent, transport);
    const attempt = stub[method.localName] as unknown as (
      request: Message,
      options: CallOptions,
    ) => Promise<Message>;
    return attempt(request, options);
  }

  close(): void {
    this.#sessions.abort();
  }
}

/** A watch that forgets its place by one when it resumes. */
export async function* lateWatch(
  client: Client,
  order: Json,
  options: { fromRevision: bigint; signal: AbortSignal },
): AsyncGenerator<WatchEvent<Watched>> {
  const filter = requestOf(order);
  let after = options.fromRevision;
  for (let late = 0n; ; late = 1n) {
    try {
      let step: WatchResponse_Event[] = [];
      const request = { ...filter, afterRevision: after + late };
      for await (const frame of client.watches.watch(request, { signal: options.signal })) {
        step.push(...frame.events);
        if (frame.revision !== 0n) {
          yield* told(step, after === 0n);
          step = [];
          after = frame.revision;
          yield { type: "progress", revision: after, headRevision: frame.headRevision };
        }
      }
    } catch (error) {
      if (!(error instanceof SkepError) || error.code !== "UNAVAILABLE") {
        throw error;
      }
    }
    await pause(PAUSE_MS, undefined, { signal: options.signal });
  }
}

function requestOf(order: Json) {
  const filter = object(order, "filter");
  switch (text(order, "kind")) {
    case "tasks":
      return { tasks: fromJson(TaskFilterSchema, filter) };
    case "services":
      return { services: fromJson(ServiceFilterSchema, filter) };
    default:
      return { nodes: fromJson(NodeFilterSchema, filter) };
  }
}

function* told(step: WatchResponse_Event[], isSnapshot: boolean): Generator<WatchEvent<Watched>> {
  const known = step.flatMap(({ type, object }) => {
    const isKnown = object.case === "task" || object.case === "service" || object.case === "node";
    return isKnown ? [{ type, object: object.value }] : [];
  });
  if (isSnapshot) {
    yield { type: "reset", objects: known.map(({ object }) => object) };
    return;
  }
  const names = {
    [EventType.UNSPECIFIED]: "changed",
    [EventType.ADDED]: "added",
    [EventType.CHANGED]: "changed",
    [EventType.LEFT]: "left",
    [EventType.DELETED]: "deleted",
  } as const;
  yield* known.map(({ type, object }) => ({ type: names[type], object }));
}
