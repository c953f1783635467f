// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  Condition_Status,
  EventType,
  type Service,
  ServiceService,
  type ServiceStatusSchema,
  TaskSchema,
  TaskService,
  TaskState,
  type WatchResponseSchema,
  WatchService,
} from "../src/index.js";
import { connected, DEADLINE_MS, refusal, service } from "./fake.js";

const options = { timeout: DEADLINE_MS };

/** Long enough to be seen, and short enough to be waited for. */
const STABLE_MS = 60;

/** What a test says of the service: its conditions and how many tasks run. */
type Told = MessageInitShape<typeof ServiceStatusSchema>;

/** A condition that holds for a revision of the spec, since a time. */
function holds(type: string, spec: bigint, since = 1n, reason = "", message = "") {
  const observedSpecRevision = spec;
  const transitionTime = { seconds: since };
  const status = Condition_Status.TRUE;
  return { type, status, observedSpecRevision, transitionTime, reason, message };
}

function web(status: Told = {}): Service {
  const told = { runningTasks: 2, ...status };
  return service("svc_1", 7n, { spec: { name: "web" }, status: told });
}

/** What the server of a test does. */
interface Script {
  /** What the watch shows, step by step; null: the service is gone. */
  steps: (Told | null)[];
  /** What a read gives. */
  read?: () => Told;
  /** The tasks that are PENDING. */
  pending?: MessageInitShape<typeof TaskSchema>[];
}

/** A client of a server with a script; `reads` counts. */
async function scripted(test: TestContext, { steps, read, pending = [] }: Script) {
  const counts = { reads: 0 };
  const { client } = await connected(test, (router) => {
    router.service(WatchService, {
      async *watch(request, { signal }) {
        assert.deepEqual(request.services?.services, ["svc_1"]);
        let revision = 10n;
        for (const step of steps) {
          yield frame(++revision, step);
        }
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    router.service(ServiceService, {
      getService() {
        counts.reads++;
        assert.ok(read, "nothing was to be read");
        return { service: web(read()) };
      },
    });
    router.service(TaskService, {
      listTasks: () => ({ tasks: pending.map((init) => create(TaskSchema, init)) }),
    });
  });
  return { client, counts };
}

function frame(revision: bigint, step: Told | null): MessageInitShape<typeof WatchResponseSchema> {
  const type = step === null ? EventType.DELETED : EventType.CHANGED;
  const object = { case: "service", value: web(step ?? {}) } as const;
  return { revision, headRevision: revision, events: [{ type, object }] };
}

const CONVERGED = { conditions: [holds("CONVERGED", 7n)] };

test("a service that stays converged ends the wait after one read", options, async (test) => {
  const { client, counts } = await scripted(test, {
    steps: [{}, CONVERGED],
    read: () => ({ ...CONVERGED, updatedTasks: 2 }),
  });
  const start = performance.now();
  const found = await client.waitConverged(web(), { stableForMs: STABLE_MS });
  assert.ok(performance.now() - start >= STABLE_MS);
  assert.equal(counts.reads, 1);
  assert.equal(found.status?.updatedTasks, 2, "it is as it was read");
});

test("with 0, or if nothing runs, it counts at once", options, async (test) => {
  const at = await scripted(test, { steps: [CONVERGED] });
  await at.client.waitConverged(web(), { stableForMs: 0 });
  const done = await scripted(test, { steps: [{ ...CONVERGED, runningTasks: 0 }] });
  await done.client.waitConverged(web());
});

test("an older judgement and one that does not hold are not enough", options, async (test) => {
  const older = { conditions: [holds("CONVERGED", 6n), holds("STALLED", 6n)] };
  const unknown = {
    conditions: [{ ...holds("CONVERGED", 7n), status: Condition_Status.UNKNOWN }],
  };
  const newer = { conditions: [holds("CONVERGED", 8n)] };
  const { client } = await scripted(test, { steps: [older, unknown, newer] });
  const found = await client.waitConverged(web(), { stableForMs: 0 });
  assert.equal(found.status?.conditions[0]?.observedSpecRevision, 8n);
});

test("a break begins the hold anew, even one that only a read shows", options, async (test) => {
  const later = { conditions: [holds("CONVERGED", 7n, 2n)] };
  const { client, counts } = await scripted(test, { steps: [CONVERGED], read: () => later });
  const start = performance.now();
  await client.waitConverged(web(), { stableForMs: STABLE_MS });
  assert.ok(performance.now() - start >= 2 * STABLE_MS);
  assert.equal(counts.reads, 2);
});

test("a read that fails begins the hold anew", options, async (test) => {
  const answers = [
    () => {
      throw refusal(Code.NotFound, "OBJECT_NOT_FOUND");
    },
    () => CONVERGED,
  ];
  const read = () => (answers.shift() ?? assert.fail("read too often"))();
  const { client, counts } = await scripted(test, { steps: [CONVERGED], read });
  const start = performance.now();
  await client.waitConverged(web(), { stableForMs: STABLE_MS });
  assert.ok(performance.now() - start >= 2 * STABLE_MS);
  assert.equal(counts.reads, 2);
});

test("a read that is refused for good ends the wait", options, async (test) => {
  const read = () => {
    throw refusal(Code.PermissionDenied, "ROLE_REQUIRED");
  };
  const { client } = await scripted(test, { steps: [CONVERGED], read });
  const wait = client.waitConverged(web(), { stableForMs: STABLE_MS });
  await assert.rejects(wait, { reason: "ROLE_REQUIRED" });
});

test("a service that is stalled fails, also if it has converged", options, async (test) => {
  const stalled = holds("STALLED", 7n, 1n, "ROLLED_BACK", "task web.1 failed");
  const { client } = await scripted(test, {
    steps: [{}, { conditions: [holds("CONVERGED", 7n), stalled] }],
  });
  await assert.rejects(client.waitConverged(web()), {
    code: "FAILED_PRECONDITION",
    reason: "ROLLED_BACK",
    message: "task web.1 failed",
    metadata: { service: "web", condition: "STALLED" },
  });
});

test("a service that is gone fails", options, async (test) => {
  const { client } = await scripted(test, { steps: [{}, null] });
  await assert.rejects(client.waitConverged(web()), {
    code: "NOT_FOUND",
    reason: "OBJECT_NOT_FOUND",
    message: "the service web was deleted",
    metadata: { service: "web" },
  });
});

test("when the time is over it says what is missing", options, async (test) => {
  const judged = { ...holds("CONVERGED", 7n, 1n, "", "1 of 2 tasks run"), status: 2 };
  const status = { conditions: [judged] };
  const { client } = await scripted(test, { steps: [status] });
  await assert.rejects(client.waitConverged(web(status), { timeoutMs: STABLE_MS }), {
    code: "DEADLINE_EXCEEDED",
    reason: "NOT_CONVERGED",
    message: "the service web did not converge in time: 1 of 2 tasks run",
    metadata: { service: "web", condition: "CONVERGED" },
  });
});

test(
  "when the time is over it says why tasks have no node, each cause once",
  options,
  async (test) => {
    const pending = (desiredState: TaskState, ...causes: string[]) => {
      const unplaced = { causes: causes.map((message) => ({ message })) };
      return { desiredState, status: { state: TaskState.PENDING, unplaced } };
    };
    const { client } = await scripted(test, {
      steps: [{}],
      pending: [
        pending(TaskState.RUNNING, "needs 4 GiB", "not in zone a"),
        pending(TaskState.RUNNING, "needs 4 GiB"),
        pending(TaskState.REMOVED, "not wanted any more"),
      ],
    });
    await assert.rejects(client.waitConverged(web(), { timeoutMs: STABLE_MS }), {
      code: "DEADLINE_EXCEEDED",
      reason: "UNPLACED",
      message: "the service web has tasks without a node: needs 4 GiB; not in zone a",
      metadata: { service: "web" },
    });
  },
);

test("a signal ends the wait", options, async (test) => {
  const { client } = await scripted(test, { steps: [{}] });
  const ending = new AbortController();
  const wait = client.waitConverged(web(), { signal: ending.signal });
  setImmediate(() => ending.abort());
  await assert.rejects(wait, { code: "CANCELLED", message: "the caller's signal was aborted" });
});
