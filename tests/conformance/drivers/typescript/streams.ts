// SPDX-License-Identifier: Apache-2.0

// Streams, and watches by name with their events as the runner reads them.

import {
  type Client,
  fromJson,
  NodeFilterSchema,
  NodeSchema,
  ServiceFilterSchema,
  ServiceSchema,
  TaskFilterSchema,
  TaskSchema,
  toJson,
  type WatchEvent,
  type Watched,
} from "@skep/client";
import { type Fault, lateWatch } from "./faults.js";
import { Broken, field, type Json, number, object, text } from "./json.js";
import { method, stream } from "./methods.js";

/** Which change a watch loses, with that fault. */
const DROPPED = 3;

const TIMEOUT_MS = 10_000;

/** An iterator that can be asked for its next item within a time. */
class Patient<T> {
  readonly #items: AsyncIterator<T>;
  /** The item that was asked for and has not come yet. */
  #next: Promise<IteratorResult<T>> | undefined;

  constructor(items: AsyncIterable<T>) {
    this.#items = items[Symbol.asyncIterator]();
  }

  /** The next item; undefined: none in time. */
  async next(timeoutMs: number): Promise<IteratorResult<T> | undefined> {
    this.#next ??= this.#items.next();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, undefined);
    });
    try {
      const got = await Promise.race([this.#next, late]);
      this.#next = got === undefined ? this.#next : undefined;
      return got;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Reads a stream until it ends, `max` messages came, or the time is over. */
export async function readStream(client: Client, order: Json): Promise<Json> {
  const found = method(text(order, "method"));
  const until = performance.now() + (number(order, "timeout_ms") ?? TIMEOUT_MS);
  const max = number(order, "max") ?? Number.POSITIVE_INFINITY;
  const request = fromJson(found.input, field(order, "request") ?? {});
  const ending = new AbortController();
  const messages = new Patient(stream(client, found, request, { signal: ending.signal }));
  const responses: Json[] = [];
  try {
    while (responses.length < max) {
      const next = await messages.next(Math.max(0, until - performance.now()));
      if (next === undefined) {
        break;
      }
      if (next.done) {
        return { responses, ended: true };
      }
      responses.push(toJson(found.output, next.value) as Json);
    }
    return { responses, ended: false };
  } finally {
    ending.abort();
  }
}

/** A watch that is open. */
interface Open {
  events: Patient<WatchEvent<Watched>>;
  ending: AbortController;
  /** How many changes it told of. */
  changes: number;
}

/** The watches that are open. */
export class Watches {
  readonly #fault: Fault | undefined;
  readonly #open = new Map<string, Open>();

  constructor(fault: Fault | undefined) {
    this.#fault = fault;
  }

  /** Opens one. */
  open(client: Client, order: Json): Json {
    const ending = new AbortController();
    const fromRevision = BigInt(text(order, "from_revision") || "0");
    const options = { fromRevision, signal: ending.signal };
    const events =
      this.#fault === "resume_late"
        ? lateWatch(client, order, options)
        : watch(client, order, options);
    this.#open.set(text(order, "watch"), { events: new Patient(events), ending, changes: 0 });
    return {};
  }

  /** The next event of one, or that there was none in time. */
  async next(order: Json): Promise<Json> {
    const open = this.#open.get(text(order, "watch"));
    if (open === undefined) {
      throw new Broken(`there is no watch ${text(order, "watch")}`);
    }
    for (;;) {
      const next = await open.events.next(number(order, "timeout_ms") ?? TIMEOUT_MS);
      if (next === undefined) {
        return { timeout: true };
      }
      if (next.done) {
        throw new Broken("a watch has ended, which none ever does");
      }
      const { type } = next.value;
      open.changes += type === "reset" || type === "progress" ? 0 : 1;
      const isDropped = open.changes === DROPPED && type !== "progress";
      if (this.#fault === "drop_event" && isDropped) {
        continue;
      }
      return { event: asJson(next.value) };
    }
  }

  /** Closes one. */
  close(order: Json): Json {
    this.#open.get(text(order, "watch"))?.ending.abort();
    this.#open.delete(text(order, "watch"));
    return {};
  }
}

function watch(
  client: Client,
  order: Json,
  options: { fromRevision: bigint; signal: AbortSignal },
): AsyncIterable<WatchEvent<Watched>> {
  const filter = object(order, "filter");
  switch (text(order, "kind")) {
    case "tasks":
      return client.watchTasks(fromJson(TaskFilterSchema, filter), options);
    case "services":
      return client.watchServices(fromJson(ServiceFilterSchema, filter), options);
    case "nodes":
      return client.watchNodes(fromJson(NodeFilterSchema, filter), options);
    default:
      throw new Broken(`there is no kind ${JSON.stringify(order.kind)}`);
  }
}

function asJson(event: WatchEvent<Watched>): Json {
  switch (event.type) {
    case "reset":
      return { type: "reset", objects: event.objects.map(objectAsJson) };
    case "progress": {
      const { type, revision, headRevision } = event;
      return { type, revision: `${revision}`, head_revision: `${headRevision}` };
    }
    default:
      return { type: event.type, object: objectAsJson(event.object) };
  }
}

function objectAsJson(object: Watched) {
  switch (object.$typeName) {
    case "skep.v1.Task":
      return toJson(TaskSchema, object);
    case "skep.v1.Service":
      return toJson(ServiceSchema, object);
    case "skep.v1.Node":
      return toJson(NodeSchema, object);
  }
}
