// SPDX-License-Identifier: Apache-2.0

// A server that answers as a test says, at a Unix socket of its own.

import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { BadRequestSchema, ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.js";
import {
  type Client,
  connect,
  type Service,
  ServiceSchema,
  type Task,
  TaskSchema,
} from "../src/index.js";

/** Far more than any test takes, also beside much other work. */
export const DEADLINE_MS = 60_000;

/** Methods of services, as tests give them. */
export type Routes = (router: ConnectRouter) => void;

/** The server. */
export class Fake {
  readonly #path: string;
  readonly #sessions = new Set<ServerHttp2Session>();
  #server: Http2Server | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Starts one that ends with the test. */
  static async start(test: TestContext, routes: Routes): Promise<Fake> {
    const folder = await mkdtemp(join(tmpdir(), "skep-"));
    const fake = new Fake(join(folder, "skep.sock"));
    await fake.serve(routes);
    test.after(async () => {
      await fake.kill();
      await rm(folder, { recursive: true });
    });
    return fake;
  }

  /** Its address. */
  get host(): string {
    return `unix://${this.#path}`;
  }

  /** Serves, after a {@link kill} anew. */
  async serve(routes: Routes): Promise<void> {
    const server = createServer(connectNodeAdapter({ routes, connect: false, grpcWeb: false }));
    server.on("session", (session) => {
      this.#sessions.add(session);
      session.on("close", () => this.#sessions.delete(session));
    });
    server.listen(this.#path);
    await once(server, "listening");
    this.#server = server;
  }

  /** Ends it at once, as kill -9 does. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) {
      const closed = once(server, "close");
      server.close();
      this.cut();
      await closed;
    }
  }

  /** Breaks all connections. */
  cut(): void {
    for (const session of this.#sessions) {
      session.destroy();
    }
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#sessions.size;
  }
}

/** A client of a fake; both end with the test. */
export async function connected(
  test: TestContext,
  routes: Routes,
): Promise<{ client: Client; fake: Fake }> {
  const fake = await Fake.start(test, routes);
  const client = await connect({ host: fake.host });
  test.after(() => client.close());
  return { client, fake };
}

/** A refusal as skep makes them. */
export function refusal(
  code: Code,
  reason: string,
  message = "no",
  metadata: Record<string, string> = {},
  violations: { field: string; description: string }[] = [],
): ConnectError {
  const details = [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason, domain: "skep", metadata }) },
    { desc: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations: violations }) },
  ];
  return new ConnectError(message, code, undefined, details);
}

/** A failure that no skep server told of. */
export function unavailable(): ConnectError {
  return new ConnectError("try again", Code.Unavailable);
}

/** A service with this id, at this revision. */
export function service(
  id: string,
  specRevision: bigint,
  rest: Omit<MessageInitShape<typeof ServiceSchema>, "$typeName" | "meta"> = {},
): Service {
  return create(ServiceSchema, { meta: { id, specRevision }, ...rest });
}

/** A task with this id and name. */
export function task(id: string, name: string): Task {
  return create(TaskSchema, { meta: { id }, name });
}

/** Waits for something that is looked at again and again; fails after {@link DEADLINE_MS}. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!holds()) {
    if (performance.now() > end) {
      throw new Error(`in vain: ${what}`);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
