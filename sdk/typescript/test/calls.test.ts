// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import * as index from "../src/index.js";
import {
  connect,
  create,
  DaemonService,
  LogService,
  ServiceService,
  SkepError,
  StopTaskRequestSchema,
  TaskService,
} from "../src/index.js";
import { backoffMs, POLICY } from "../src/policy.js";
import { connected, DEADLINE_MS, Fake, refusal, unavailable, until } from "./fake.js";

const options = { timeout: DEADLINE_MS };

test("a change is repeated with the same request_id", options, async (test) => {
  const seen: string[] = [];
  const { client } = await connected(test, (router) =>
    router.service(TaskService, {
      stopTask({ requestId }) {
        seen.push(requestId);
        if (seen.length < 3) {
          throw unavailable();
        }
        return { revision: 7n };
      },
    }),
  );
  const answer = await client.tasks.stopTask({ task: "tsk_1" });
  assert.equal(answer.revision, 7n);
  assert.equal(seen.length, 3);
  assert.match(seen[0] ?? "", /^[A-Za-z0-9]{26}$/);
  assert.deepEqual(new Set(seen).size, 1);
});

test(
  "two changes have two ids, even from one message, and the caller's stays",
  options,
  async (test) => {
    const seen: string[] = [];
    const { client } = await connected(test, (router) =>
      router.service(TaskService, {
        stopTask({ requestId }) {
          seen.push(requestId);
          return {};
        },
      }),
    );
    const request = create(StopTaskRequestSchema, { task: "tsk_1" });
    await client.tasks.stopTask(request);
    await client.tasks.stopTask(request);
    await client.tasks.stopTask({ task: "tsk_1", requestId: "mine" });
    assert.equal(request.requestId, "");
    assert.notEqual(seen[0], seen[1]);
    assert.equal(seen[2], "mine");
  },
);

test("five attempts are enough, and founding a swarm has one", options, async (test) => {
  let [reads, foundings] = [0, 0];
  const { client } = await connected(test, (router) =>
    router.service(DaemonService, {
      getDaemon() {
        reads++;
        throw refusal(Code.Unavailable, "MANAGER_NOT_READY", "starting");
      },
      initSwarm() {
        foundings++;
        throw unavailable();
      },
    }),
  );
  const error = { name: "SkepError", code: "UNAVAILABLE", reason: "MANAGER_NOT_READY" };
  await assert.rejects(client.daemon.getDaemon({}), { ...error, message: "starting" });
  await assert.rejects(client.daemon.initSwarm({}), { code: "UNAVAILABLE", reason: "" });
  assert.deepEqual([reads, foundings], [POLICY.maxAttempts, 1]);
});

test("other failures are not repeated", options, async (test) => {
  let calls = 0;
  const { client } = await connected(test, (router) =>
    router.service(ServiceService, {
      getService() {
        calls++;
        throw refusal(Code.NotFound, "OBJECT_NOT_FOUND");
      },
    }),
  );
  await assert.rejects(client.services.getService({ service: "web" }), { code: "NOT_FOUND" });
  assert.equal(calls, 1);
});

test("a call has the deadline of its caller, else one of a minute", options, async (test) => {
  const seen: (string | null)[] = [];
  const { client, fake } = await connected(test, (router) =>
    router.service(DaemonService, {
      async getDaemon(_, { requestHeader, signal }) {
        seen.push(requestHeader.get("grpc-timeout"));
        if (seen.length > 1) {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        }
        return {};
      },
    }),
  );
  await client.daemon.getDaemon({});
  await assert.rejects(client.daemon.getDaemon({}, { timeoutMs: 500 }), {
    code: "DEADLINE_EXCEEDED",
    reason: "",
    message: `no answer from ${fake.host} within 0.5s; a change may have been made or not`,
  });
  const [first, second] = seen.map((header) => Number(header?.replace(/m$/, "")));
  assert.ok(first !== undefined && first > 1_000 && first <= 60_000, `${first}`);
  assert.ok(second !== undefined && second > 0 && second <= 500, `${second}`);
});

test("a signal ends a call, and the wait before the next attempt", options, async (test) => {
  const ending = new AbortController();
  const { client } = await connected(test, (router) =>
    router.service(DaemonService, {
      getDaemon() {
        setImmediate(() => ending.abort(new Error("enough")));
        throw unavailable();
      },
    }),
  );
  const { signal } = ending;
  const error: unknown = await client.daemon.getDaemon({}, { signal }).catch((error) => error);
  assert.ok(error instanceof SkepError);
  assert.equal(error.code, "CANCELLED");
  assert.equal((error.cause as Error).message, "enough");
  await assert.rejects(client.daemon.getDaemon({}, { signal }), { code: "CANCELLED" });
});

test(
  "a connection that breaks is no answer of a server, and is made anew",
  options,
  async (test) => {
    const routes = (router: Parameters<Parameters<typeof connected>[1]>[0]) =>
      router.service(DaemonService, { getDaemon: () => ({ daemon: { version: "1" } }) });
    const { client, fake } = await connected(test, routes);
    await client.daemon.getDaemon({});
    await fake.kill();
    await assert.rejects(client.daemon.getDaemon({}), {
      code: "UNAVAILABLE",
      reason: "",
      message: `the connection to ${fake.host} is lost: no such socket`,
    });
    await fake.serve(routes);
    assert.equal((await client.daemon.getDaemon({})).daemon?.version, "1");
  },
);

test("a connection that breaks in a call says so", options, async (test) => {
  const { client, fake } = await connected(test, (router) =>
    router.service(DaemonService, {
      initSwarm() {
        fake.cut();
        return {};
      },
    }),
  );
  await assert.rejects(client.daemon.initSwarm({}), {
    code: "UNAVAILABLE",
    reason: "",
    message: `the connection to ${fake.host} is lost: it was closed`,
  });
});

test("a value that cannot be sent is the caller's mistake", options, async (test) => {
  const { client } = await connected(test, () => undefined);
  const replicated = { case: "replicated", value: { replicas: -1 } } as const;
  const request = { spec: { name: "web", mode: replicated } };
  await assert.rejects(client.services.createService(request), (error) => {
    assert.ok(error instanceof SkepError);
    assert.equal(error.code, "INVALID_ARGUMENT");
    assert.match(error.message, /^bad request of CreateService: .*replicas.*-1/);
    return true;
  });
});

test("many calls at once are no leak that Node warns of", options, async (test) => {
  const warnings: string[] = [];
  const note = (warning: Error) => warnings.push(warning.message);
  process.on("warning", note);
  test.after(() => process.off("warning", note));
  const calls = 16;
  let arrived = 0;
  const { client } = await connected(test, (router) =>
    router.service(TaskService, {
      async stopTask() {
        arrived++;
        await until("all calls arrive", () => arrived === calls);
        return { revision: 7n };
      },
    }),
  );
  const all = Array.from({ length: calls }, () => client.tasks.stopTask({ task: "tsk_1" }));
  assert.equal((await Promise.all(all)).length, calls);
  assert.deepEqual(warnings, []);
});

test("a stream is opened again, but not once it has begun", options, async (test) => {
  let calls = 0;
  const { client } = await connected(test, (router) =>
    router.service(LogService, {
      async *streamLogs() {
        if (calls++ === 0) {
          throw unavailable();
        }
        yield { lines: [{ seq: 1n }] };
        throw refusal(Code.Unavailable, "NO_QUORUM");
      },
    }),
  );
  const seen: bigint[] = [];
  const read = async () => {
    for await (const { lines } of client.logs.streamLogs({})) {
      seen.push(...lines.map((line) => line.seq));
    }
  };
  await assert.rejects(read(), { code: "UNAVAILABLE", reason: "NO_QUORUM" });
  assert.deepEqual([calls, seen], [2, [1n]]);
});

test("a loop that is left ends the stream, and so does a signal", options, async (test) => {
  let ended = 0;
  const { client } = await connected(test, (router) =>
    router.service(LogService, {
      async *streamLogs(_, { signal }) {
        const end = new Promise((resolve) => signal.addEventListener("abort", resolve));
        yield { lines: [{ seq: 1n }] };
        await end;
        ended++;
      },
    }),
  );
  for await (const _ of client.logs.streamLogs({})) {
    break;
  }
  await until("the server sees the end of the stream", () => ended === 1);
  const ending = new AbortController();
  const read = async () => {
    for await (const _ of client.logs.streamLogs({}, { signal: ending.signal })) {
      setImmediate(() => ending.abort());
    }
  };
  await assert.rejects(read(), { code: "CANCELLED", message: "the caller's signal was aborted" });
  await until("the server sees the end of the second stream", () => ended === 2);
});

test("a client that is closed ends what goes on and refuses what comes", options, async (test) => {
  let isCalled = false;
  const fake = await Fake.start(test, (router) =>
    router.service(DaemonService, {
      async getDaemon(_, { signal }) {
        isCalled = true;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return {};
      },
    }),
  );
  const client = await connect({ host: fake.host });
  const call = assert.rejects(client.daemon.getDaemon({}), {
    code: "CANCELLED",
    message: "the client is closed",
  });
  await until("the call arrives", () => isCalled);
  client.close();
  client.close();
  await call;
  await assert.rejects(client.daemon.getDaemon({}), { message: "the client is closed" });
  await until("the connection is closed", () => fake.connections === 0);
});

test("all of the contract is exported, and each service has its member", options, async (test) => {
  const folder = new URL("../src/gen/skep/v1/", import.meta.url);
  const files = (await readdir(folder)).filter((file) => file.endsWith(".js"));
  assert.ok(files.length > 10, `${files}`);
  for (const file of files) {
    const names = Object.keys(await import(new URL(file, folder).href));
    const missing = names.filter((name) => !(name in index));
    assert.deepEqual(missing, [], file);
  }
  const { client } = await connected(test, () => undefined);
  const members = Object.values(client).filter((member) => typeof member === "object");
  const calls = new Set(members.flatMap((member) => Object.keys(member)));
  const methods = Object.values(index).flatMap((value) =>
    "kind" in value && value.kind === "service" ? value.methods : [],
  );
  assert.deepEqual(calls, new Set(methods.map((method) => method.localName)));
});

test("the policy is that of all SDKs", async () => {
  const file = new URL("../../../service_config.json", import.meta.url);
  const { methodConfig } = JSON.parse(await readFile(file, "utf8"));
  const seconds = (ms: number) => `${ms / 1_000}s`;
  const [common, ...others] = methodConfig;
  assert.deepEqual(common, {
    name: [{}],
    retryPolicy: {
      maxAttempts: POLICY.maxAttempts,
      initialBackoff: seconds(POLICY.initialBackoffMs),
      maxBackoff: seconds(POLICY.maxBackoffMs),
      backoffMultiplier: POLICY.backoffMultiplier,
      retryableStatusCodes: POLICY.retryableStatusCodes,
    },
  });
  // Those without a policy are those that the contract does not call idempotent.
  const once = Object.values(DaemonService.method).filter((method) => method.idempotency === 0);
  const names = once.map((method) => ({ service: DaemonService.typeName, method: method.name }));
  assert.deepEqual(others, [{ name: names }]);
});

test("waits double up to the longest", () => {
  for (const [failures, longest] of [100, 200, 400, 800, 1_600, 2_000, 2_000].entries()) {
    for (let times = 0; times < 100; times++) {
      const wait = backoffMs(failures + 1);
      assert.ok(wait >= longest / 2 && wait <= longest, `${wait} of ${longest}`);
    }
  }
});
