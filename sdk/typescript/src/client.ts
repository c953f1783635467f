// SPDX-License-Identifier: Apache-2.0

// The client: one connection, the generated client of each service over it, and what makes
// them easier to use.

import { connect as connectHttp2 } from "node:http2";
import { connect as connectSocket } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client as Stub } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Calls } from "./calls.js";
import { chooseHosts, here } from "./context.js";
import { type Change, type Edited, edit, type Update } from "./edit.js";
import { rootCause, SkepError, whyLost } from "./errors.js";
import { DaemonService } from "./gen/skep/v1/daemon_pb.js";
import { LogService } from "./gen/skep/v1/log_pb.js";
import {
  type Node,
  type NodeFilterSchema,
  NodeService,
  type NodeSpec,
  NodeSpecSchema,
} from "./gen/skep/v1/node_pb.js";
import {
  type Service,
  type ServiceFilterSchema,
  ServiceService,
  type ServiceSpec,
  ServiceSpecSchema,
} from "./gen/skep/v1/service_pb.js";
import {
  type Swarm,
  SwarmService,
  type SwarmSpec,
  SwarmSpecSchema,
} from "./gen/skep/v1/swarm_pb.js";
import { type Task, type TaskFilterSchema, TaskService, TaskState } from "./gen/skep/v1/task_pb.js";
import { WatchService } from "./gen/skep/v1/watch_pb.js";
import { type WaitOptions, waitConverged } from "./wait.js";
import { only, Watch, type WatchOptions } from "./watch.js";

/** How long one address may take to answer. */
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * How often an open connection is tested while nothing happens on it, and how long the answer
 * may take: a peer whose machine is gone is noticed.
 */
const KEEP_ALIVE_MS = 20_000;

/** Why an address that takes connections is of no use. */
const NOT_GRPC = "what listens there does not speak gRPC";

/** How {@link connect} finds the daemon; what is empty counts as unset. */
export interface ConnectOptions {
  /** `unix:///path`, or `http://host:port` for the plaintext address that `skepd --dev` serves. */
  readonly host?: string | undefined;
  /** The name of a context of `~/.config/skep/config.json`. If there is a host, that wins. */
  readonly context?: string | undefined;
  /** Ends the search when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** How to edit. */
export interface EditOptions {
  /** Ends the edit when aborted; a change may have been made or not. */
  readonly signal?: AbortSignal;
}

/**
 * Connects to the first address that answers, each of which may take 5 s. Without options the
 * environment chooses: SKEP_HOST, else the context that SKEP_CONTEXT names, else the current one
 * of `~/.config/skep/config.json`, else this machine's sockets. A socket without permission ends
 * the search: there is a daemon, and another is not what was meant.
 *
 * @throws {SkepError} UNAVAILABLE: no daemon there; PERMISSION_DENIED: this user may not use its
 * socket; INVALID_ARGUMENT: a bad host, an unknown context, a configuration that cannot be read.
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const tried: string[] = [];
  for (const host of await chooseHosts(options, here())) {
    try {
      await dial(host, options.signal);
      return new Client(host);
    } catch (error) {
      const cause = rootCause(error);
      if (error instanceof SkepError && error.code === "CANCELLED") {
        throw error;
      }
      if (cause instanceof Error && "code" in cause && cause.code === "EACCES") {
        throw new SkepError("PERMISSION_DENIED", `no permission to use ${host}`, { cause });
      }
      tried.push(`${host} (${whyLost(cause)})`);
    }
  }
  throw new SkepError("UNAVAILABLE", `no skep daemon answers at ${tried.join(" or ")}`);
}

/** Where HTTP/2 goes to: what is asked for, and how the connection is made. */
function endpoint(host: string) {
  const path = host.startsWith("unix://") ? host.slice("unix://".length) : undefined;
  return path === undefined
    ? { origin: new URL(host).origin, options: {} }
    : { origin: "http://localhost", options: { createConnection: () => connectSocket({ path }) } };
}

/** Opens a connection and closes it again: whether HTTP/2 is spoken there. */
async function dial(host: string, signal: AbortSignal | undefined): Promise<void> {
  const { origin, options } = endpoint(host);
  const session = connectHttp2(origin, options);
  let end: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      end = () => reject(new SkepError("CANCELLED", "the caller's signal was aborted"));
      signal?.addEventListener("abort", end);
      if (signal?.aborted) {
        end();
      }
      timer = setTimeout(() => reject(new Error("no answer in time")), CONNECT_TIMEOUT_MS);
      session.once("remoteSettings", () => resolve());
      session.once("close", () => reject(new Error(NOT_GRPC)));
      session.on("error", (error) => {
        const isHttp2 = "code" in error && String(error.code).startsWith("ERR_HTTP2");
        reject(isHttp2 ? new Error(NOT_GRPC) : error);
      });
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end ?? (() => undefined));
    session.destroy();
  }
}

/**
 * A connection to a daemon, made by {@link connect}. When it breaks, the next call makes a new
 * one. {@link Client.close} releases it.
 *
 * The clients of the services are the generated ones. Every call has a deadline of 60 s unless it
 * is given a `timeoutMs`, every change without a `requestId` gets one, and what failed with
 * UNAVAILABLE is repeated up to 4 times, with the same `requestId`. What fails is a
 * {@link SkepError}. Leaving a loop over a stream ends the stream.
 */
export class Client {
  /** The address this client is connected to. */
  readonly host: string;
  /** The daemon itself: its state, founding and leaving a swarm. */
  readonly daemon: Stub<typeof DaemonService>;
  /** The swarm as a whole. */
  readonly swarm: Stub<typeof SwarmService>;
  /** Nodes. */
  readonly nodes: Stub<typeof NodeService>;
  /** Services. */
  readonly services: Stub<typeof ServiceService>;
  /** Tasks. */
  readonly tasks: Stub<typeof TaskService>;
  /** The watch as it is on the wire. {@link Client.watchTasks} is one that resumes. */
  readonly watches: Stub<typeof WatchService>;
  /** What tasks print. */
  readonly logs: Stub<typeof LogService>;

  readonly #calls: Calls;
  readonly #sessions: Http2SessionManager;

  /** Clients are made by {@link connect}. */
  constructor(host: string) {
    const { origin, options } = endpoint(host);
    const keepAlive = {
      pingIntervalMs: KEEP_ALIVE_MS,
      pingTimeoutMs: KEEP_ALIVE_MS,
      pingIdleConnection: true,
    };
    this.host = host;
    this.#sessions = new Http2SessionManager(origin, keepAlive, options);
    const transport = createGrpcTransport({ baseUrl: origin, sessionManager: this.#sessions });
    this.#calls = new Calls(transport, host);
    this.daemon = this.#calls.client(DaemonService);
    this.swarm = this.#calls.client(SwarmService);
    this.nodes = this.#calls.client(NodeService);
    this.services = this.#calls.client(ServiceService);
    this.tasks = this.#calls.client(TaskService);
    this.watches = this.#calls.client(WatchService);
    this.logs = this.#calls.client(LogService);
  }

  /** Watches tasks. Without a filter all. */
  watchTasks(
    filter: MessageInitShape<typeof TaskFilterSchema> = {},
    options: WatchOptions = {},
  ): Watch<Task> {
    return new Watch(this.#calls, this.watches, only("task"), { tasks: filter }, options);
  }

  /** Watches services. Without a filter all. */
  watchServices(
    filter: MessageInitShape<typeof ServiceFilterSchema> = {},
    options: WatchOptions = {},
  ): Watch<Service> {
    return new Watch(this.#calls, this.watches, only("service"), { services: filter }, options);
  }

  /** Watches nodes. Without a filter all. */
  watchNodes(
    filter: MessageInitShape<typeof NodeFilterSchema> = {},
    options: WatchOptions = {},
  ): Watch<Node> {
    return new Watch(this.#calls, this.watches, only("node"), { nodes: filter }, options);
  }

  /**
   * Waits until a service, as the answer to a change or a read showed it, has converged and
   * stayed so, and gives it as it then is.
   *
   * @throws {SkepError} FAILED_PRECONDITION: it has stalled, with the reason of that condition
   * (ROLLOUT_PAUSED, ROLLED_BACK, CRASH_LOOP, ...); NOT_FOUND, OBJECT_NOT_FOUND: it was removed;
   * DEADLINE_EXCEEDED: the time is over, UNPLACED with the causes if tasks have found no node,
   * else NOT_CONVERGED. Metadata: service, its name; condition.
   */
  waitConverged(service: Service | undefined, options: WaitOptions = {}): Promise<Service> {
    const sight = {
      calls: this.#calls,
      watch: (id: string, signal: AbortSignal) =>
        this.watchServices({ services: [id] }, { signal }),
      read: async (id: string, signal: AbortSignal) =>
        (await this.services.getService({ service: id }, { signal })).service,
      pending: async (id: string, timeoutMs: number) => {
        const filter = { services: [id], states: [TaskState.PENDING] };
        return (await this.tasks.listTasks({ filter, pageSize: 1_000 }, { timeoutMs })).tasks;
      },
    };
    return waitConverged(sight, service, options);
  }

  /**
   * Changes a service, named by id or name: reads it, lets `change` change its spec, and sends
   * what that touched, for the spec that was read. If someone else was faster it begins again;
   * so `change` may run several times, on the newest spec each time.
   *
   * @throws {SkepError} Those of getService and updateService; SPEC_REVISION_MISMATCH only if
   * others win ten times in a row.
   */
  editService(
    service: string,
    change: Change<ServiceSpec>,
    options: EditOptions = {},
  ): Promise<Edited<Service>> {
    const kind = {
      schema: ServiceSpecSchema,
      get: async () => {
        const { service: object, revision } = await this.services.getService({ service }, options);
        return { object, revision };
      },
      update: async ({ id, ...update }: Update<ServiceSpec>) => {
        const answer = await this.services.updateService({ service: id, ...update }, options);
        return { object: answer.service, revision: answer.revision };
      },
    };
    return edit(kind, change);
  }

  /** Changes a node, named by id or name. See {@link Client.editService}. */
  editNode(
    node: string,
    change: Change<NodeSpec>,
    options: EditOptions = {},
  ): Promise<Edited<Node>> {
    const kind = {
      schema: NodeSpecSchema,
      get: async () => {
        const { node: object, revision } = await this.nodes.getNode({ node }, options);
        return { object, revision };
      },
      update: async ({ id, ...update }: Update<NodeSpec>) => {
        const answer = await this.nodes.updateNode({ node: id, ...update }, options);
        return { object: answer.node, revision: answer.revision };
      },
    };
    return edit(kind, change);
  }

  /** Changes the settings of the swarm. See {@link Client.editService}. */
  editSwarm(change: Change<SwarmSpec>, options: EditOptions = {}): Promise<Edited<Swarm>> {
    const kind = {
      schema: SwarmSpecSchema,
      get: async () => {
        const { swarm: object, revision } = await this.swarm.getSwarm({}, options);
        return { object, revision };
      },
      update: async ({ id: _, ...update }: Update<SwarmSpec>) => {
        const answer = await this.swarm.updateSwarm(update, options);
        return { object: answer.swarm, revision: answer.revision };
      },
    };
    return edit(kind, change);
  }

  /**
   * Ends every call and every watch that is under way, with CANCELLED, and releases the
   * connection at once: nothing of the client keeps the process alive.
   */
  close(): void {
    this.#calls.close();
    this.#sessions.abort();
  }
}
