// SPDX-License-Identifier: Apache-2.0

// Measures what the SDK for TypeScript costs over its own generated clients. See
// scripts/bench-sdks.sh.

import { connect as connectSocket } from "node:net";
import { createClient, type Client as Stub } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import {
  type Client,
  connect,
  type GetServiceResponse,
  ServiceService,
  SkepError,
  WatchService,
} from "@skep/client";

/** What is read; it is made first, so its history is what is watched. */
const SERVICE = "bench-sdks";

/** Services that are made and removed after it: that is the history. */
const OTHERS = 500;

/** What goes before each part. */
const WARM_UP_MS = 20;

/** What goes before all, for each side: until the engine has compiled what runs often. */
const COMPILE_MS = 3_000;

type Once = () => Promise<number>;

/** Measures one row: bare, SDK, bare, SDK, ..., bare. */
async function main(row: string, ms: number, rounds: number): Promise<void> {
  const client = await connect();
  const path = client.host.slice("unix://".length);
  const sessions = new Http2SessionManager("http://localhost", undefined, {
    createConnection: () => connectSocket({ path }),
  });
  const transport = createGrpcTransport({
    baseUrl: "http://localhost",
    sessionManager: sessions,
  });
  try {
    const read = await prepare(client);
    const first = read.service?.meta?.createRevision ?? 0n;
    const watches = createClient(WatchService, transport);
    const services = createClient(ServiceService, transport);
    const rows: Record<string, [callers: number, bare: Once, sdk: Once]> = {
      "get-1": [1, getOnce(services), getOnce(client.services)],
      "get-16": [16, getOnce(services), getOnce(client.services)],
      watch: [
        1,
        () => followBare(watches, first, read.revision),
        () => followSdk(client, first, read.revision),
      ],
    };
    const found = rows[row];
    if (found === undefined) {
      throw new Error(`there is no row ${row}; there are ${Object.keys(rows).join(", ")}`);
    }
    const [callers, bare, sdk] = found;
    await repeat(callers, COMPILE_MS, bare);
    await repeat(callers, COMPILE_MS, sdk);
    await measure("bare", callers, ms, bare);
    for (let round = 0; round < rounds; round++) {
      await measure("sdk", callers, ms, sdk);
      await measure("bare", callers, ms, bare);
    }
  } finally {
    sessions.abort();
    client.close();
  }
}

/**
 * Repeats something for a while and prints how much of it went a second, and what CPU time of this
 * process one took, in microseconds.
 */
async function measure(side: string, callers: number, ms: number, once: Once): Promise<void> {
  await repeat(callers, WARM_UP_MS, once);
  const began = performance.now();
  const before = process.cpuUsage();
  const count = await repeat(callers, ms, once);
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(before);
  const cpu = ((user + system) / count).toFixed(2);
  console.log(`${side} ${(count / seconds).toFixed(1)} ${cpu}`);
}

/** Lets callers do something over and over, and sums up. */
async function repeat(callers: number, ms: number, once: Once): Promise<number> {
  const until = performance.now() + ms;
  const caller = async () => {
    let count = 0;
    while (performance.now() < until) {
      count += await once();
    }
    return count;
  };
  const counts = await Promise.all(Array.from({ length: callers }, caller));
  return counts.reduce((sum, count) => sum + count);
}

function getOnce(stub: Stub<typeof ServiceService>): Once {
  return async () => {
    await stub.getService({ service: SERVICE });
    return 1;
  };
}

/** Does what any program has to: it looks at each event. */
async function followBare(
  stub: Stub<typeof WatchService>,
  first: bigint,
  last: bigint,
): Promise<number> {
  const ending = new AbortController();
  const request = { services: {}, afterRevision: first };
  let count = 0;
  try {
    for await (const frame of stub.watch(request, { signal: ending.signal })) {
      for (const { object } of frame.events) {
        if (object.case === "service" && object.value.meta?.id) {
          count++;
        }
      }
      if (frame.revision >= last) {
        break;
      }
    }
  } finally {
    ending.abort();
  }
  return count;
}

/** The same through the SDK. */
async function followSdk(client: Client, first: bigint, last: bigint): Promise<number> {
  let count = 0;
  for await (const event of client.watchServices({}, { fromRevision: first })) {
    if (event.type === "progress") {
      if (event.revision >= last) {
        break;
      }
    } else if (event.type !== "reset" && event.object.meta?.id) {
      count++;
    }
  }
  return count;
}

/** Makes what is measured, unless it is there. */
async function prepare(client: Client): Promise<GetServiceResponse> {
  try {
    return await client.services.getService({ service: SERVICE });
  } catch (error) {
    if (!(error instanceof SkepError) || !error.is("OBJECT_NOT_FOUND")) {
      throw error;
    }
  }
  await create(client, SERVICE);
  for (let number = 0; number < OTHERS; number++) {
    await create(client, `${SERVICE}-${number}`);
    await client.services.deleteService({ service: `${SERVICE}-${number}` });
  }
  return await client.services.getService({ service: SERVICE });
}

/** Makes a service without tasks: they would change while it is measured. */
async function create(client: Client, name: string): Promise<void> {
  await client.services.createService({
    spec: {
      name,
      labels: { app: "bench", tier: "web" },
      mode: { case: "replicated", value: { replicas: 0 } },
      template: { workload: { case: "process", value: { command: ["/bin/sleep", "600"] } } },
    },
  });
}

const [row = "", seconds, rounds] = process.argv.slice(2);
await main(row, Number(seconds) * 1_000, Number(rounds));
