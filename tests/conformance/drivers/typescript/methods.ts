// SPDX-License-Identifier: Apache-2.0

// Methods by the names that the runner has for them.

import {
  type CallOptions,
  type Client,
  DaemonService,
  LogService,
  NodeService,
  ServiceService,
  SwarmService,
  TaskService,
  WatchService,
} from "@skep/client";
import { Broken } from "./json.js";

/** The services of the API, by the member of the client that calls each. */
const SERVICES = {
  daemon: DaemonService,
  swarm: SwarmService,
  nodes: NodeService,
  services: ServiceService,
  tasks: TaskService,
  watches: WatchService,
  logs: LogService,
};

/** A method of the API. */
export type Method = (typeof DaemonService.methods)[number];

/** A message of any type. */
export type Message = ReturnType<typeof import("@skep/client").fromJson>;

/** The method with a name such as `ServiceService/GetService`. */
export function method(name: string): Method {
  const [service, method] = name.split("/");
  const services = Object.values(SERVICES).filter((found) => found.name === service);
  const found = services.flatMap((found) => found.methods).find((found) => found.name === method);
  if (found === undefined) {
    throw new Broken(`there is no method ${JSON.stringify(name)}`);
  }
  return found;
}

/** A member of a client, by the name of a method. */
function member(client: Client, method: Method): unknown {
  const names = Object.keys(SERVICES) as (keyof typeof SERVICES)[];
  const name = names.find((name) => SERVICES[name].typeName === method.parent.typeName);
  const stub = name && (client[name] as unknown as Record<string, unknown>);
  return stub?.[method.localName];
}

/** Calls a method that gives one answer. */
export function call(
  client: Client,
  method: Method,
  request: Message,
  options: CallOptions,
): Promise<Message> {
  const call = member(client, method) as (
    request: Message,
    options: CallOptions,
  ) => Promise<Message>;
  return call(request, options);
}

/** Calls a method that gives a stream. */
export function stream(
  client: Client,
  method: Method,
  request: Message,
  options: CallOptions,
): AsyncIterable<Message> {
  const call = member(client, method) as (
    request: Message,
    options: CallOptions,
  ) => AsyncIterable<Message>;
  return call(request, options);
}
