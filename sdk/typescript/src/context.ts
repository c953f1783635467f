// SPDX-License-Identifier: Apache-2.0

// Where the daemon is: a host given by the caller, a named context from the configuration file,
// or the sockets that a daemon on this machine uses by default.

import { readFile } from "node:fs/promises";
import { codeOf, messageOf, misuse } from "./errors.js";

/** The longest path that fits into a Unix socket address on Linux. */
const SOCKET_PATH_MAX_BYTES = 107;

/** The socket of a daemon that runs as root. */
const ROOT_SOCKET = "unix:///run/skep/skep.sock";

/** The context that is always there: this machine's sockets. */
const DEFAULT = "default";

/** What the caller says of it; what is empty counts as unset. */
export interface Choice {
  /** `unix:///path`, or `http://host:port` for the plaintext address that `skepd --dev` serves. */
  readonly host?: string | undefined;
  /** The name of a context of `~/.config/skep/config.json`. If there is a host, that wins. */
  readonly context?: string | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

/** `~/.config/skep/config.json`. */
interface ConfigFile {
  current?: string | null;
  contexts?: Record<string, { hosts?: string[] }> | null;
}

/**
 * The addresses of one swarm, first choice first: the given host; SKEP_HOST, unless a context is
 * given; that context, else SKEP_CONTEXT, else the current one of the configuration; this
 * machine's sockets.
 */
export async function chooseHosts(
  given: Choice,
  env: Env = process.env,
  isRoot: boolean = process.geteuid?.() === 0,
): Promise<string[]> {
  const hosts = await choose(given, env, isRoot);
  for (const host of hosts) {
    const why = whatIsWrong(host);
    if (why !== undefined) {
      throw misuse(`bad host ${JSON.stringify(host)}: ${why}`);
    }
  }
  return hosts;
}

async function choose(given: Choice, env: Env, isRoot: boolean): Promise<string[]> {
  const host = given.host || (given.context ? undefined : env.SKEP_HOST);
  if (host) {
    return [host];
  }
  const { current, contexts } = await readConfig(env);
  const name = given.context || env.SKEP_CONTEXT || current || DEFAULT;
  if (name === DEFAULT) {
    return sockets(env, isRoot);
  }
  const known = new Map(Object.entries(contexts ?? {}));
  const context = known.get(name);
  if (context === undefined) {
    const names = [...known.keys()].sort().join(", ");
    const what = `there is no context ${JSON.stringify(name)} in the configuration`;
    throw misuse(`${what}; there is: ${names}`);
  }
  if (!context.hosts?.length) {
    throw misuse(`the context ${JSON.stringify(name)} of the configuration has no hosts`);
  }
  return context.hosts;
}

/** The file of this user; without one there is nothing in it. */
async function readConfig(env: Env): Promise<ConfigFile> {
  const folder = env.XDG_CONFIG_HOME || (env.HOME && `${env.HOME}/.config`);
  if (!folder) {
    return {};
  }
  const path = `${folder}/skep/config.json`;
  try {
    const file: unknown = JSON.parse(await readFile(path, "utf8"));
    checkShape(file);
    return file;
  } catch (error) {
    if (codeOf(error) === "ENOENT") {
      return {};
    }
    throw misuse(`cannot read ${path}: ${messageOf(error)}`, error);
  }
}

function checkShape(file: unknown): asserts file is ConfigFile {
  const { current, contexts } = asObject(file, "the file");
  if (typeof (current ?? "") !== "string") {
    throw new TypeError("current must be the name of a context");
  }
  for (const [name, context] of Object.entries(asObject(contexts ?? {}, "contexts"))) {
    const { hosts = [] } = asObject(context, `contexts.${name}`);
    if (!Array.isArray(hosts) || !hosts.every((host) => typeof host === "string")) {
      throw new TypeError(`contexts.${name}.hosts must be a list of addresses`);
    }
  }
}

function asObject(json: unknown, what: string): Record<string, unknown> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new TypeError(`${what} must be an object`);
  }
  return json as Record<string, unknown>;
}

/** The user's own socket, then root's. */
function sockets(env: Env, isRoot: boolean): string[] {
  const run = env.XDG_RUNTIME_DIR && `${env.XDG_RUNTIME_DIR}/skep`;
  const own = run || (env.HOME && `${env.HOME}/.local/share/skep`);
  return own && !isRoot ? [`unix://${own}/skep.sock`, ROOT_SOCKET] : [ROOT_SOCKET];
}

/** What is wrong with an address, and how to write it. */
function whatIsWrong(host: string): string | undefined {
  const [, scheme, rest = ""] = /^([^:]*):\/\/(.*)$/s.exec(host) ?? [];
  const length = Buffer.byteLength(rest);
  switch (scheme) {
    case "unix":
      if (length > SOCKET_PATH_MAX_BYTES) {
        return (
          `the path is ${length} bytes long, over the ${SOCKET_PATH_MAX_BYTES} that the system ` +
          "allows; start the daemon with a shorter --socket, below /run or /tmp"
        );
      }
      return rest.startsWith("/")
        ? undefined
        : "the path of a socket must be absolute: unix:///run/skep/skep.sock";
    case "http": {
      if (rest.replaceAll("/", "") === "") {
        return "the address is missing: http://127.0.0.1:2378";
      }
      const url = URL.canParse(host) ? new URL(host) : undefined;
      // It has no user, path or query.
      return url?.href === `${url?.origin}/` ? undefined : "expected http://host:port";
    }
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
