// SPDX-License-Identifier: Apache-2.0

// Where the daemon is: a host given by the caller, a named context from the configuration file,
// or the sockets that a daemon on this machine uses by default.

import { readFile } from "node:fs/promises";
import { messageOf, misuse } from "./errors.js";

/** The longest path that fits into a Unix socket address on Linux. */
const SOCKET_PATH_MAX_BYTES = 107;

/** The socket of a daemon that runs as root. */
const ROOT_SOCKET = "unix:///run/skep/skep.sock";

/** The context that is always there: this machine's sockets. */
const DEFAULT = "default";

/** `~/.config/skep/config.json`, as far as it is as it should be. */
interface ConfigFile {
  current?: string;
  contexts: Map<string, string[]>;
}

/** What the choice depends on, besides what the caller gave. */
export interface Surroundings {
  /** The environment; an empty variable counts as none. */
  env: Readonly<Record<string, string | undefined>>;
  /** Whether this process runs as root. */
  isRoot: boolean;
}

/** The surroundings of this process. */
export function here(): Surroundings {
  return { env: process.env, isRoot: process.geteuid?.() === 0 };
}

/**
 * The addresses of one swarm, first choice first: the given host; SKEP_HOST, unless a context is
 * given; that context, else SKEP_CONTEXT, else the current one of the configuration; this
 * machine's sockets.
 */
export async function chooseHosts(
  given: { host?: string | undefined; context?: string | undefined },
  { env, isRoot }: Surroundings,
): Promise<string[]> {
  const host = given.host || (given.context ? undefined : env.SKEP_HOST);
  if (host) {
    return checked([host]);
  }
  const config = await readConfig(env);
  const name = given.context || env.SKEP_CONTEXT || config.current || DEFAULT;
  if (name === DEFAULT) {
    return checked(sockets(env, isRoot));
  }
  const hosts = config.contexts.get(name);
  if (hosts === undefined) {
    const known = [...config.contexts.keys()].sort().join(", ");
    throw misuse(
      `there is no context ${JSON.stringify(name)} in the configuration; there is: ${known}`,
    );
  }
  if (hosts.length === 0) {
    throw misuse(`the context ${JSON.stringify(name)} of the configuration has no hosts`);
  }
  return checked(hosts);
}

/** The file of this user; without one there is nothing in it. */
async function readConfig(env: Surroundings["env"]): Promise<ConfigFile> {
  const folder = env.XDG_CONFIG_HOME || (env.HOME && `${env.HOME}/.config`);
  if (!folder) {
    return { contexts: new Map() };
  }
  const path = `${folder}/skep/config.json`;
  try {
    return parseConfig(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return { contexts: new Map() };
    }
    throw misuse(`cannot read ${path}: ${messageOf(error)}`, error);
  }
}

function parseConfig(json: unknown): ConfigFile {
  const file = asObject(json, "the file");
  const contexts = new Map<string, string[]>();
  for (const [name, context] of Object.entries(asObject(file.contexts ?? {}, "contexts"))) {
    const { hosts = [] } = asObject(context, `contexts.${name}`);
    if (!Array.isArray(hosts) || !hosts.every((host) => typeof host === "string")) {
      throw new TypeError(`contexts.${name}.hosts must be a list of addresses`);
    }
    contexts.set(name, hosts);
  }
  const { current } = file;
  if (current !== undefined && current !== null && typeof current !== "string") {
    throw new TypeError("current must be the name of a context");
  }
  return current ? { current, contexts } : { contexts };
}

function asObject(json: unknown, what: string): Record<string, unknown> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new TypeError(`${what} must be an object`);
  }
  return json as Record<string, unknown>;
}

/** The user's own socket, then root's. */
function sockets(env: Surroundings["env"], isRoot: boolean): string[] {
  const run = env.XDG_RUNTIME_DIR && `${env.XDG_RUNTIME_DIR}/skep`;
  const own = run || (env.HOME && `${env.HOME}/.local/share/skep`);
  return own && !isRoot ? [`unix://${own}/skep.sock`, ROOT_SOCKET] : [ROOT_SOCKET];
}

function checked(hosts: string[]): string[] {
  for (const host of hosts) {
    const why = whatIsWrong(host);
    if (why !== undefined) {
      throw misuse(`bad host ${JSON.stringify(host)}: ${why}`);
    }
  }
  return hosts;
}

/** What is wrong with an address, and how to write it. */
function whatIsWrong(host: string): string | undefined {
  const [, scheme, rest = ""] = /^([^:]*):\/\/(.*)$/s.exec(host) ?? [];
  switch (scheme) {
    case "unix": {
      const length = Buffer.byteLength(rest);
      if (length > SOCKET_PATH_MAX_BYTES) {
        return (
          `the path is ${length} bytes long, over the ${SOCKET_PATH_MAX_BYTES} that the system ` +
          "allows; start the daemon with a shorter --socket, below /run or /tmp"
        );
      }
      return rest.startsWith("/")
        ? undefined
        : "the path of a socket must be absolute: unix:///run/skep/skep.sock";
    }
    case "http":
      if (rest.replaceAll("/", "") === "") {
        return "the address is missing: http://127.0.0.1:2378";
      }
      return URL.canParse(host) ? undefined : "expected http://host:port";
    case "https":
      return "TLS is not there yet; use unix:///path or, for a dev address, http://";
    case "tcp":
      return `write http://${rest} for a dev address`;
    default:
      return host.startsWith("/")
        ? `write unix://${host}`
        : "expected unix:///path/to/skep.sock or http://host:port";
  }
}
