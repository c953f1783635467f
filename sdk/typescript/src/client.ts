// SPDX-License-Identifier: Apache-2.0

// The client: one connection, the generated client of each service over it, and what makes
// them easier to use.

import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectSocket } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client as Stub } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { anyOf, Calls } from "./calls.js";
import { type Choice, chooseHosts } from "./context.js";
import { type Change, type Edited, edit } from "./edit.js";
import { codeOf, rootCause, SkepError, whyLost } from "./errors.js";
import * as v1 from "./v1.js";
import { type WaitOptions, waitConverged } from "./wait.js";
import { Watch, type WatchOptions } from "./watch.js";

/** How long one address may take to answer. */
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * How often an open connection is tested while nothing happens on it, and how long the answer
 * may take: a peer whose machine is gone is noticed.
 */
const KEEP_ALIVE_MS = 20_000;

/** Why an address that takes connections is of no use. */
const NOT_GRPC = "what listens there does not speak gRPC";

/** How {@link connect} finds the daemon. */
export interface ConnectOptions extends Choice {
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
  for (const host of await chooseHosts(options)) {
    try {
      await dial(host, options.signal);
      return new Client(host);
    } catch (error) {
      const cause = rootCause(error);
      if (options.signal?.aborted) {
        throw new SkepError("CANCELLED", "the caller's signal was aborted", { cause });
      }
      if (codeOf(cause) === "EACCES") {
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
  const ending = new AbortController();
  const end = (why: string) => ending.abort(new Error(why));
  const timer = setTimeout(end, CONNECT_TIMEOUT_MS, "no answer in time");
  session.once("close", () => end(NOT_GRPC));
  try {
    await once(session, "remoteSettings", { signal: anyOf(ending.signal, signal) });
  } catch (error) {
    throw codeOf(error).startsWith("ERR_HTTP2") ? new Error(NOT_GRPC) : error;
  } finally {
    clearTimeout(timer);
    session.on("error", () => undefined); // What it says now is of no use.
    session.destroy();
  }
}

/**
 * A connection to a daemon, made by {@link connect}. When it breaks, the next call makes a new
 * one. {@link Client.close} releases it.
 *
 * The clients of the services are the generated ones. Every call but `waitService` has a deadline
 * of 60 s unless it is given a `timeoutMs`, every change without a `requestId` gets one, and what failed with
 * UNAVAILABLE is repeated up to 4 times, with the same `requestId`. What fails is a
 * {@link SkepError}. Leaving a loop over a stream ends the stream.
 */
export class Client {
  /** The address this client is connected to. */
  readonly host: string;
  /** The daemon itself: its state, founding and leaving a swarm. */
  readonly daemon: Stub<typeof v1.DaemonService>;
  /** The swarm as a whole. */
  readonly swarm: Stub<typeof v1.SwarmService>;
  /** Nodes. */
  readonly nodes: Stub<typeof v1.NodeService>;
  /** Services. */
  readonly services: Stub<typeof v1.ServiceService>;
  /** Tasks. */
  readonly tasks: Stub<typeof v1.TaskService>;
  /** The watch as it is on the wire. {@link Client.watchTasks} is one that resumes. */
  readonly watches: Stub<typeof v1.WatchService>;
  /** What tasks print. */
  readonly logs: Stub<typeof v1.LogService>;

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
    this.daemon = this.#calls.client(v1.DaemonService);
    this.swarm = this.#calls.client(v1.SwarmService);
    this.nodes = this.#calls.client(v1.NodeService);
    this.services = this.#calls.client(v1.ServiceService);
    this.tasks = this.#calls.client(v1.TaskService);
    this.watches = this.#calls.client(v1.WatchService);
    this.logs = this.#calls.client(v1.LogService);
  }

  /** Watches tasks. Without a filter all. */
  watchTasks(
    filter: MessageInitShape<typeof v1.TaskFilterSchema> = {},
    options: WatchOptions = {},
  ): Watch<v1.Task> {
    return new Watch(this.#calls, this.watches, "task", { tasks: filter }, options);
  }

  /** Watches services. Without a filter all. */
  watchServices(
    filter: MessageInitShape<typeof v1.ServiceFilterSchema> = {},
    options: WatchOptions = {},
  ): Watch<v1.Service> {
    return new Watch(this.#calls, this.watches, "service", { services: filter }, options);
  }

  /** Watches nodes. Without a filter all. */
  watchNodes(
    filter: MessageInitShape<typeof v1.NodeFilterSchema> = {},
    options: WatchOptions = {},
  ): Watch<v1.Node> {
    return new Watch(this.#calls, this.watches, "node", { nodes: filter }, options);
  }

  /**
   * Waits until a service, as the answer to a change or a read showed it, has converged and
   * stayed so, and gives it as it then is.
   *
   * @throws {SkepError} FAILED_PRECONDITION: it has stalled, with the reason of that condition
   * (ROLLOUT_PAUSED, ROLLED_BACK, CRASH_LOOP, ...); NOT_FOUND, OBJECT_NOT_FOUND: it was removed;
   * DEADLINE_EXCEEDED: the time is over, UNPLACED with the causes if tasks have found no node,
   * else NOT_CONVERGED; UNAVAILABLE: it is, and the managers could not serve, as they said last.
   * Metadata: service, its name; condition, where one tells.
   */
  waitConverged(service: v1.Service | undefined, options: WaitOptions = {}): Promise<v1.Service> {
    return waitConverged(this.#calls, this.services, service, options);
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
    change: Change<v1.ServiceSpec>,
    options: EditOptions = {},
  ): Promise<Edited<v1.Service>> {
    return edit(change, {
      schema: v1.ServiceSpecSchema,
      get: () => this.services.getService({ service }, options),
      update: ({ id, ...rest }) => this.services.updateService({ service: id, ...rest }, options),
      objectOf: (answer) => answer.service,
    });
  }

  /** Changes a node, named by id or name. See {@link Client.editService}. */
  editNode(
    node: string,
    change: Change<v1.NodeSpec>,
    options: EditOptions = {},
  ): Promise<Edited<v1.Node>> {
    return edit(change, {
      schema: v1.NodeSpecSchema,
      get: () => this.nodes.getNode({ node }, options),
      update: ({ id, ...rest }) => this.nodes.updateNode({ node: id, ...rest }, options),
      objectOf: (answer) => answer.node,
    });
  }

  /** Changes the settings of the swarm. See {@link Client.editService}. */
  editSwarm(change: Change<v1.SwarmSpec>, options: EditOptions = {}): Promise<Edited<v1.Swarm>> {
    return edit(change, {
      schema: v1.SwarmSpecSchema,
      get: () => this.swarm.getSwarm({}, options),
      update: ({ id: _, ...rest }) => this.swarm.updateSwarm(rest, options),
      objectOf: (answer) => answer.swarm,
    });
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
