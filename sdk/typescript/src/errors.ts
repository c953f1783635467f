// SPDX-License-Identifier: Apache-2.0

// What can go wrong, in one type.

import { Code as ConnectCode, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ErrorReason } from "./v1.js";

/** The domain of reasons that come from skep itself. */
const DOMAIN = "skep";

/** The canonical codes of gRPC, each at its number; 0 is no failure. */
const CODES = [
  undefined,
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
export type Code = NonNullable<(typeof CODES)[number]>;

/** One field that breaks its rules. */
export interface Violation {
  /** Its path within the request: `spec.endpoint.ports[0].target`. */
  readonly field: string;
  /** What is wrong with it, and what would be right. */
  readonly description: string;
}

/** What a {@link SkepError} has besides its code and message. */
export type ErrorDetails = Partial<Pick<SkepError, "reason" | "metadata" | "violations" | "cause">>;

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
   * The name of an {@link ErrorReason}, such as `NAME_TAKEN`. Empty if no server told of the
   * failure, but NOT_CONVERGED of a wait that found none in its time.
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

/** Why a call to that host failed: what a server told, or that none did. */
export function failure(error: unknown, host: string, timeoutMs: number): SkepError {
  const cause = ConnectError.from(error);
  if (cause.metadata.has("grpc-status")) {
    return told(cause);
  }
  if (cause.code === ConnectCode.DeadlineExceeded) {
    const message = `no answer from ${host} within ${timeoutMs / 1_000}s`;
    return new SkepError("DEADLINE_EXCEEDED", `${message}; a change may have been made or not`);
  }
  const message = `the connection to ${host} is lost: ${whyLost(cause)}`;
  return new SkepError("UNAVAILABLE", message, { cause });
}

function told(error: ConnectError): SkepError {
  const info = error.findDetails(ErrorInfoSchema).find((info) => info.domain === DOMAIN);
  const bad = error.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations);
  const code = CODES[error.code] ?? "UNKNOWN";
  return new SkepError(code, error.rawMessage || code, {
    reason: info?.reason ?? "",
    metadata: { ...info?.metadata },
    violations: bad.map(({ field, description }) => ({ field, description })),
  });
}

/** What codes of the system mean. */
const CAUSES: Record<string, string> = {
  ENOENT: "no such socket",
  ECONNREFUSED: "nothing listens there",
  ETIMEDOUT: "no answer in time",
  ENOTFOUND: "no such host",
  ECONNRESET: "it was closed",
  EPIPE: "it was closed",
};

/** Why there is no connection, or none any more, in words. */
export function whyLost(error: unknown): string {
  const root = rootCause(error);
  if (root instanceof ConnectError) {
    const isClosed = root.rawMessage.startsWith("http/2 stream closed");
    return isClosed ? "it was closed" : root.rawMessage;
  }
  return CAUSES[codeOf(root)] ?? messageOf(root);
}

/** The code that Node.js gives an error; empty if it gives none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
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
