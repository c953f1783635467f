// SPDX-License-Identifier: Apache-2.0

// What can go wrong, in one type.

import { ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ErrorReason } from "./gen/skep/v1/error_pb.js";

/** The domain of reasons that come from skep itself. */
const DOMAIN = "skep";

/** The canonical codes of gRPC, each at its number. */
const CODES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

/** A canonical code of gRPC, by its name. */
export type Code = Exclude<(typeof CODES)[number], "OK">;

/** One field that breaks its rules. */
export interface Violation {
  /** Its path within the request: `spec.endpoint.ports[0].target`. */
  readonly field: string;
  /** What is wrong with it, and what would be right. */
  readonly description: string;
}

/** What a {@link SkepError} has besides its code and message. */
export interface ErrorDetails {
  /** See {@link SkepError.reason}. */
  readonly reason?: string;
  /** See {@link SkepError.metadata}. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** See {@link SkepError.violations}. */
  readonly violations?: readonly Violation[];
  /** What it comes from. */
  readonly cause?: unknown;
}

/**
 * Any failure of this package: a call that was refused or failed, a wait that ended badly, or no
 * connection to call over.
 */
export class SkepError extends Error {
  /**
   * The canonical gRPC code. Of a failure that no server told of, UNAVAILABLE: there is no
   * connection, or it broke; PERMISSION_DENIED: this user may not use the socket;
   * DEADLINE_EXCEEDED: there was no answer in time; CANCELLED: its signal was aborted or the
   * client closed; INVALID_ARGUMENT: a host, the configuration or a value makes no sense.
   */
  readonly code: Code;
  /**
   * The name of an {@link ErrorReason}, such as `NAME_TAKEN`; of a wait that ended badly, of the
   * condition's reason. Empty if no server told of the failure.
   */
  readonly reason: string;
  /** Facts for programs; the comment of each {@link ErrorReason} names its keys. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Every field that breaks its rules, with INVALID_FIELD. */
  readonly violations: readonly Violation[];

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "SkepError";
    this.code = code;
    this.reason = details.reason ?? "";
    this.metadata = details.metadata ?? {};
    this.violations = details.violations ?? [];
  }

  /** Whether it failed for this reason. */
  is(reason: ErrorReason | string): boolean {
    return (typeof reason === "string" ? reason : ErrorReason[reason]) === this.reason;
  }

  /** The message, and a line for each field that breaks its rules. */
  override toString(): string {
    const fields = this.violations.map((bad) => `\n  ${bad.field}: ${bad.description}`);
    return `${this.name}: ${this.message}${fields.join("")}`;
  }
}

/** What the caller gave makes no sense. */
export function misuse(message: string, cause?: unknown): SkepError {
  return new SkepError("INVALID_ARGUMENT", message, { cause });
}

/** The error that a server told of; undefined if none did. */
export function toldBy(error: unknown): SkepError | undefined {
  if (!(error instanceof ConnectError) || !error.metadata.has("grpc-status")) {
    return undefined;
  }
  const info = error.findDetails(ErrorInfoSchema).find((info) => info.domain === DOMAIN);
  const bad = error.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations);
  const code = codeOf(error.code);
  return new SkepError(code, error.rawMessage || code, {
    reason: info?.reason ?? "",
    metadata: { ...info?.metadata },
    violations: bad.map(({ field, description }) => ({ field, description })),
  });
}

function codeOf(number: number): Code {
  const name = CODES[number];
  return name === undefined || name === "OK" ? "UNKNOWN" : name;
}

/** Why there is no connection, or none any more, in words. */
export function whyLost(error: unknown): string {
  const root = rootCause(error);
  const code = root instanceof Error && "code" in root ? root.code : undefined;
  switch (code) {
    case "ENOENT":
      return "no such socket";
    case "ECONNREFUSED":
      return "nothing listens there";
    case "ETIMEDOUT":
      return "no answer in time";
    case "ENOTFOUND":
      return "no such host";
    case "ECONNRESET":
    case "EPIPE":
      return "it was closed";
  }
  if (root instanceof ConnectError) {
    const isClosed = root.rawMessage.startsWith("http/2 stream closed");
    return isClosed ? "it was closed" : root.rawMessage;
  }
  return messageOf(root);
}

/** The error below all layers of an error. */
export function rootCause(error: unknown): unknown {
  let root = error;
  while (root instanceof Error && root.cause !== undefined) {
    root = root.cause;
  }
  // Several addresses of one name were tried, and none worked.
  return root instanceof AggregateError && root.errors.length > 0 ? root.errors[0] : root;
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
