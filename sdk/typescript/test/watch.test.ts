// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  EventType,
  type Task,
  View,
  type Watch,
  type WatchEvent,
  type WatchRequest,
  type WatchResponseSchema,
  WatchService,
} from "../src/index.js";
import { connected, DEADLINE_MS, type Routes, refusal, task, unavailable } from "./fake.js";

const options = { timeout: DEADLINE_MS };

type Frame = MessageInitShape<typeof WatchResponseSchema>;
type Script = (request: WatchRequest, signal: AbortSignal) => AsyncIterable<Frame>;

/** A server that plays a script for each connection of a watch, and keeps what was asked for. */
function watching(...scripts: Script[]): { routes: Routes; asked: WatchRequest[] } {
  const asked: WatchRequest[] = [];
  const routes: Routes = (router) =>
    router.service(WatchService, {
      async *watch(request, { signal }) {
        const script = scripts[asked.length];
        asked.push(request);
        assert.ok(script, `connection ${asked.length} was not expected`);
        yield* script(request, signal);
      },
    });
  return { routes, asked };
}

/** Nothing more is said, until the client leaves. */
async function silence(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  }
}

function event(type: EventType, id: string, name = id) {
  return { type, object: { case: "task", value: task(id, name) } } as const;
}

function frame(revision: bigint, ...events: ReturnType<typeof event>[]): Frame {
  return { revision, headRevision: revision + 1n, events };
}

/** Events in short, up to the progress at a revision. */
async function readTo(
  watch: Watch<Task>,
  last: bigint,
  see: (event: WatchEvent<Task>) => void = () => undefined,
): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of watch) {
    seen.push(short(event));
    see(event);
    if (event.type === "progress" && event.revision >= last) {
      break;
    }
  }
  return seen;
}

function short(event: WatchEvent<Task>): string {
  switch (event.type) {
    case "reset":
      return `reset ${event.objects.map((task) => task.name).join(" ")}`;
    case "progress":
      return `progress ${event.revision} of ${event.headRevision}`;
    default:
      return `${event.type} ${event.object.name}`;
  }
}

const { ADDED, CHANGED, LEFT, DELETED, UNSPECIFIED } = EventType;

/** A client with a watch on all tasks. */
async function open(test: TestContext, ...scripts: Script[]) {
  const { routes, asked } = watching(...scripts);
  const { client, fake } = await connected(test, routes);
  return { watch: client.watchTasks({ services: ["web"] }), client, fake, asked };
}

test(
  "a snapshot in pieces is one reset, and a step comes when it is whole",
  options,
  async (test) => {
    const { watch, asked } = await open(test, async function* (_, signal) {
      yield frame(0n, event(ADDED, "a"));
      yield frame(4n, event(ADDED, "b"));
      yield frame(0n, event(CHANGED, "a"), event(LEFT, "b"));
      yield frame(6n, event(DELETED, "a"), event(ADDED, "c"), event(UNSPECIFIED, "d"));
      yield frame(7n);
      await silence(signal);
    });
    assert.deepEqual(await readTo(watch, 7n), [
      "reset a b",
      "progress 4 of 5",
      "changed a",
      "left b",
      "deleted a",
      "added c",
      "changed d",
      "progress 6 of 7",
      "progress 7 of 8",
    ]);
    assert.equal(watch.revision, 7n);
    assert.deepEqual(asked[0]?.tasks?.services, ["web"]);
    assert.equal(asked[0]?.services, undefined);
  },
);

test("a watch goes on after the last whole step", options, async (test) => {
  const { watch, fake, asked } = await open(
    test,
    async function* () {
      yield frame(4n, event(ADDED, "a"));
      yield frame(0n, event(CHANGED, "a"));
      throw unavailable();
    },
    async function* (_, signal) {
      yield frame(5n, event(CHANGED, "a"));
      yield frame(0n, event(CHANGED, "a"));
      await silence(signal);
    },
    async function* () {
      yield frame(8n, event(CHANGED, "a"));
      // The server ends it in good order.
    },
    async function* (_, signal) {
      yield frame(9n, event(DELETED, "a"));
      await silence(signal);
    },
  );
  const cut = (event: WatchEvent<Task>) => {
    if (event.type === "progress" && event.revision === 5n) {
      fake.cut();
    }
  };
  assert.deepEqual(await readTo(watch, 9n, cut), [
    "reset a",
    "progress 4 of 5",
    "changed a",
    "progress 5 of 6",
    "changed a",
    "progress 8 of 9",
    "deleted a",
    "progress 9 of 10",
  ]);
  assert.deepEqual(
    asked.map((request) => request.afterRevision),
    [0n, 4n, 5n, 8n],
  );
});

test("history that is gone makes a new reset", options, async (test) => {
  const { watch, asked } = await open(
    test,
    async function* () {
      yield frame(4n, event(ADDED, "a"));
    },
    // biome-ignore lint/correctness/useYield: it refuses.
    async function* () {
      throw refusal(Code.OutOfRange, "REVISION_COMPACTED");
    },
    async function* (_, signal) {
      yield frame(90n, event(ADDED, "b"));
      await silence(signal);
    },
  );
  const expected = ["reset a", "progress 4 of 5", "reset b", "progress 90 of 91"];
  assert.deepEqual(await readTo(watch, 90n), expected);
  assert.deepEqual(
    asked.map((request) => request.afterRevision),
    [0n, 4n, 0n],
  );
});

test("a revision that was kept is where a watch goes on", options, async (test) => {
  const { client, asked } = await open(test, async function* (_, signal) {
    yield frame(8n, event(CHANGED, "a"));
    await silence(signal);
  });
  const watch = client.watchTasks({}, { fromRevision: 7n, progressIntervalMs: 1_500 });
  assert.equal(watch.revision, 7n);
  assert.deepEqual(await readTo(watch, 8n), ["changed a", "progress 8 of 9"]);
  assert.equal(asked[0]?.afterRevision, 7n);
  assert.deepEqual(asked[0]?.progressInterval?.nanos, 500_000_000);
});

test("a second loop goes on where the first was left", options, async (test) => {
  const second: Script = async function* (_, signal) {
    yield frame(5n, event(CHANGED, "a"), event(CHANGED, "b"));
    await silence(signal);
  };
  const { watch, asked } = await open(
    test,
    async function* (request, signal) {
      yield frame(4n, event(ADDED, "a"));
      yield* second(request, signal);
    },
    second,
  );
  for await (const event of watch) {
    if (event.type === "changed") {
      break; // In the middle of a step, which therefore comes again.
    }
  }
  assert.equal(watch.revision, 4n);
  assert.deepEqual(await readTo(watch, 5n), ["changed a", "changed b", "progress 5 of 6"]);
  assert.equal(asked[1]?.afterRevision, 4n);
});

test("a server that is silent is left", options, async (test) => {
  const { client, asked } = await open(
    test,
    async function* (_, signal) {
      yield frame(4n, event(ADDED, "a"));
      await silence(signal);
    },
    async function* (_, signal) {
      yield frame(5n, event(CHANGED, "a"));
      await silence(signal);
    },
  );
  const watch = client.watchTasks({}, { progressIntervalMs: 300 });
  const expected = ["reset a", "progress 4 of 5", "changed a", "progress 5 of 6"];
  assert.deepEqual(await readTo(watch, 5n), expected);
  assert.equal(asked[1]?.afterRevision, 4n);
});

test("a filter that is refused ends the watch", options, async (test) => {
  // biome-ignore lint/correctness/useYield: it refuses.
  const { watch, asked } = await open(test, async function* () {
    throw refusal(Code.InvalidArgument, "INVALID_FIELD", "one bad field");
  });
  await assert.rejects(readTo(watch, 1n), { reason: "INVALID_FIELD", message: "one bad field" });
  assert.equal(asked.length, 1);
});

test("a signal ends a watch that waits, and so does closing the client", options, async (test) => {
  const script: Script = async function* (_, signal) {
    yield frame(4n, event(ADDED, "a"));
    await silence(signal);
  };
  const { watch, client } = await open(test, script, script, script);
  const ending = new AbortController();
  const read = async (watch: Watch<Task>, end: () => void) => {
    for await (const event of watch) {
      if (event.type === "progress") {
        setImmediate(end);
      }
    }
  };
  const ended = client.watchTasks({}, { signal: ending.signal });
  await assert.rejects(
    read(ended, () => ending.abort()),
    { code: "CANCELLED", message: "the caller's signal was aborted" },
  );
  await assert.rejects(
    read(watch, () => client.close()),
    { code: "CANCELLED", message: "the client is closed" },
  );
});

test("a signal ends a watch that tries to connect again", options, async (test) => {
  const ending = new AbortController();
  const { client, fake } = await open(test, async function* (_, signal) {
    yield frame(4n, event(ADDED, "a"));
    await silence(signal);
  });
  const watch = client.watchTasks({}, { signal: ending.signal });
  const read = async () => {
    for await (const event of watch) {
      if (event.type === "progress") {
        await fake.kill();
        setImmediate(() => ending.abort());
      }
    }
  };
  await assert.rejects(read(), { code: "CANCELLED" });
  assert.equal(watch.revision, 4n);
});

test("a view follows its watch", () => {
  const view = new View<Task>();
  const [a, b, c] = [task("a", "1"), task("b", "1"), task("c", "1")];
  view.apply({ type: "reset", objects: [a, b] });
  view.apply({ type: "progress", revision: 4n, headRevision: 4n });
  view.apply({ type: "added", object: c });
  view.apply({ type: "changed", object: task("a", "2") });
  view.apply({ type: "left", object: task("b", "9") });
  view.apply({ type: "deleted", object: task("z", "1") });
  const names = [...view.objects].map(([id, task]) => [id, task.name]);
  assert.deepEqual(names, [
    ["a", "2"],
    ["c", "1"],
  ]);
  assert.equal(view.revision, 4n);
  view.apply({ type: "reset", objects: [] });
  assert.equal(view.objects.size, 0);
});
