// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import {
  type Service,
  ServiceService,
  type WaitServiceRequest,
  WaitServiceRequest_Goal,
} from "../src/index.js";
import { POLICY } from "../src/policy.js";
import { connected, DEADLINE_MS, refusal, service, unavailable, until } from "./fake.js";

const options = { timeout: DEADLINE_MS };

/** Short enough to be waited for. */
const SHORT_MS = 50;

function web(runningTasks = 0): Service {
  return service("svc_1", 7n, { spec: { name: "web" }, status: { runningTasks } });
}

/** What a manager does with one request; it answers with the service unless that throws. */
type Script = (signal: AbortSignal) => void | Promise<void>;

/** A client of a manager with a script for each call, of which the last one stays. */
async function scripted(test: TestContext, ...scripts: Script[]) {
  const asked: WaitServiceRequest[] = [];
  const deadlines: (string | null)[] = [];
  const { client, fake } = await connected(test, (router) =>
    router.service(ServiceService, {
      async waitService(request, { signal, requestHeader }) {
        const script = scripts[Math.min(asked.length, scripts.length - 1)];
        asked.push(request);
        deadlines.push(requestHeader.get("grpc-timeout"));
        await script?.(signal);
        return { service: web(2), revision: 9n };
      },
    }),
  );
  return { client, fake, asked, deadlines };
}

function refuse(error: ConnectError): Script {
  return () => {
    throw error;
  };
}

const silence: Script = (signal) =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve()));

const NOT_CONVERGED = refusal(Code.DeadlineExceeded, "NOT_CONVERGED", "1 of 2 tasks run", {
  service: "web",
  condition: "CONVERGED",
});

test("a manager is asked to wait for the spec that is known", options, async (test) => {
  const { client, asked, deadlines } = await scripted(test, () => undefined);
  const found = await client.waitConverged(web(), { timeoutMs: 60_000, stableForMs: 1_500 });
  assert.equal(found.status?.runningTasks, 2, "it is as the manager saw it");
  const [request] = asked;
  assert.deepEqual([request?.service, request?.specRevision], ["svc_1", 7n]);
  assert.equal(request?.goal, WaitServiceRequest_Goal.UNSPECIFIED);
  assert.ok(request?.timeout && request.stableFor);
  assert.ok(durationMs(request.timeout) > 50_000 && durationMs(request.timeout) <= 60_000);
  assert.equal(durationMs(request.stableFor), 1_500);
  const deadlineMs = Number(deadlines[0]?.replace(/m$/, ""));
  assert.ok(deadlineMs > durationMs(request.timeout) && deadlineMs <= 65_000, `${deadlineMs}`);
});

test("a wait for ever asks for an hour at a time", options, async (test) => {
  const { client, asked } = await scripted(test, refuse(NOT_CONVERGED), () => undefined);
  await client.waitConverged(web());
  assert.deepEqual(
    asked.map(({ timeout, stableFor }) => [timeout && durationMs(timeout), stableFor]),
    [
      [3_600_000, undefined],
      [3_600_000, undefined],
    ],
  );
});

test("the long hold of a service fits into a call", options, async (test) => {
  const { client, asked } = await scripted(test, () => undefined);
  await client.waitConverged(web(), { stableForMs: 3_600_000 });
  assert.equal(asked[0]?.timeout && durationMs(asked[0].timeout), 7_200_000);
});

test("what a manager says is final", options, async (test) => {
  const metadata = { service: "web", condition: "STALLED" };
  const stalled = refusal(Code.FailedPrecondition, "ROLLED_BACK", "task web.1 failed", metadata);
  const { client, asked } = await scripted(test, refuse(stalled));
  await assert.rejects(client.waitConverged(web()), {
    code: "FAILED_PRECONDITION",
    reason: "ROLLED_BACK",
    message: "task web.1 failed",
    metadata,
  });
  assert.equal(asked.length, 1);
});

test("every reason is told with the service", options, async (test) => {
  const gone = refusal(Code.NotFound, "OBJECT_NOT_FOUND", "gone", { kind: "service" });
  const { client } = await scripted(test, refuse(gone));
  await assert.rejects(client.waitConverged(web()), {
    code: "NOT_FOUND",
    reason: "OBJECT_NOT_FOUND",
    message: "gone",
    metadata: { kind: "service", service: "web" },
  });
});

test("without a manager the wait goes on for the rest of its time", options, async (test) => {
  const away = refuse(unavailable());
  const aways = Array.from({ length: 7 }, () => away);
  const { client, asked } = await scripted(test, ...aways, () => undefined);
  await client.waitConverged(web(), { timeoutMs: 60_000 });
  assert.equal(asked.length, 8);
  const times = asked.map(({ timeout }) => timeout && durationMs(timeout));
  assert.ok((times[7] ?? 0) < (times[0] ?? 0), `${times}`);
});

test("a call that was not answered in its time is no end of the wait", options, async (test) => {
  const late = refuse(refusal(Code.DeadlineExceeded, "DEADLINE_EXCEEDED", "the disk hangs"));
  const { client, asked } = await scripted(test, late, () => undefined);
  await client.waitConverged(web(), { timeoutMs: 60_000 });
  assert.equal(asked.length, 2);
});

test("when the time is over a manager says what is missing", options, async (test) => {
  const { client } = await scripted(test, async () => {
    const end = performance.now() + SHORT_MS;
    await until("the time is over", () => performance.now() > end);
    throw NOT_CONVERGED;
  });
  await assert.rejects(client.waitConverged(web(), { timeoutMs: SHORT_MS }), {
    code: "DEADLINE_EXCEEDED",
    reason: "NOT_CONVERGED",
    message: "1 of 2 tasks run",
    metadata: { service: "web", condition: "CONVERGED" },
  });
});

test("when the time is over, the last thing that a manager told counts", options, async (test) => {
  const told = refuse(refusal(Code.Unavailable, "NO_QUORUM", "there is no leader"));
  const { client, fake, asked } = await scripted(test, told);
  const wait = client.waitConverged(web(), { timeoutMs: 4_000 });
  const ended = assert.rejects(wait, { code: "UNAVAILABLE", reason: "NO_QUORUM" });
  await until("a call is over", () => asked.length > POLICY.maxAttempts);
  await fake.kill();
  await ended;
});

test("a daemon that is gone is no answer", options, async (test) => {
  const { client, fake } = await scripted(test, () => undefined);
  await fake.kill();
  await assert.rejects(client.waitConverged(web(), { timeoutMs: SHORT_MS }), {
    code: "DEADLINE_EXCEEDED",
    reason: "NOT_CONVERGED",
    message:
      "the service web did not converge in time: " +
      `the connection to ${fake.host} is lost: no such socket`,
    metadata: { service: "web", condition: "CONVERGED" },
  });
});

test("a signal ends the wait", options, async (test) => {
  const { client, asked } = await scripted(test, silence);
  const ending = new AbortController();
  const wait = client.waitConverged(web(), { signal: ending.signal });
  const ended = assert.rejects(wait, {
    code: "CANCELLED",
    message: "the caller's signal was aborted",
  });
  await until("the manager is asked", () => asked.length === 1);
  ending.abort();
  await ended;
});

test("a wait for nothing is a mistake", options, async (test) => {
  const { client } = await scripted(test, silence);
  await assert.rejects(client.waitConverged(undefined), { code: "INVALID_ARGUMENT" });
});

test("the call itself has no deadline unless it is given one", options, async (test) => {
  const { client, deadlines } = await scripted(test, () => undefined);
  await client.services.waitService({ service: "web" });
  await client.services.waitService({ service: "web" }, { timeoutMs: 7_000 });
  const second = Number(deadlines[1]?.replace(/m$/, ""));
  assert.equal(deadlines[0], null);
  assert.ok(second > 1_000 && second <= 7_000, `${second}`);
});
