// SPDX-License-Identifier: Apache-2.0

// Waiting until a service is as wanted and stays so: the managers wait, and are asked again for as
// long as there is time.

import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Client as Stub } from "@connectrpc/connect";
import type { Calls } from "./calls.js";
import { misuse, SkepError } from "./errors.js";
import { backoffMs, isRetryable } from "./policy.js";
import type { Service, ServiceService } from "./v1.js";

/** The longest that a manager is asked to wait at a time. */
const CALL_MAX_MS = 3_600_000;

/** How much longer its answer may take. */
const MARGIN_MS = 5_000;

/** How to wait. */
export interface WaitOptions {
  /** The longest wait, in milliseconds; unset or 0: for ever. */
  readonly timeoutMs?: number | undefined;
  /**
   * How long the service has to stay converged, without a break, before that counts, in
   * milliseconds; unset: 5,000. With 0 it counts at once, which a program that ends right after
   * its start can pass.
   */
  readonly stableForMs?: number;
  /** Ends the wait, with a {@link SkepError} of code CANCELLED, when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Waits for a service, as its answer showed it. */
export async function waitConverged(
  calls: Calls,
  stub: Stub<typeof ServiceService>,
  service: Service | undefined,
  { timeoutMs, stableForMs, signal }: WaitOptions,
): Promise<Service> {
  if (service?.meta === undefined) {
    throw misuse("there is no service to wait for");
  }
  const { id, specRevision } = service.meta;
  const name = service.spec?.name || id;
  const until = performance.now() + (timeoutMs || Number.POSITIVE_INFINITY);
  const longestMs = CALL_MAX_MS + (stableForMs ?? 0);
  let told: SkepError | undefined;
  for (let failures = 1; ; failures++) {
    // Once the time is over there is one more look, for the reason why it was not enough.
    const leftMs = Math.min(Math.max(0, Math.ceil(until - performance.now())), longestMs);
    const request = {
      service: id,
      specRevision,
      timeout: durationFromMs(leftMs),
      ...(stableForMs !== undefined && { stableFor: durationFromMs(stableForMs) }),
    };
    try {
      const options = { timeoutMs: leftMs + MARGIN_MS, ...(signal && { signal }) };
      return (await stub.waitService(request, options)).service ?? service;
    } catch (error) {
      if (!(error instanceof SkepError)) {
        throw error;
      }
      told = error.reason ? error : told;
      const isLate = error.code === "DEADLINE_EXCEEDED";
      if (isLate && error.reason !== "" && performance.now() < until) {
        continue; // Only the time of this call is over.
      }
      const isLost = isLate && error.reason === "";
      if (!isLost && !isRetryable(error.code)) {
        throw about(name, error);
      }
      if (leftMs === 0) {
        throw about(name, told ?? neverAnswered(name, error));
      }
      await calls.pause(Math.min(backoffMs(failures), leftMs), signal);
    }
  }
}

/** The time is over, and no manager said anything. */
function neverAnswered(name: string, { message }: SkepError): SkepError {
  const details = { reason: "NOT_CONVERGED", metadata: { condition: "CONVERGED" } };
  const late = `the service ${name} did not converge in time: ${message}`;
  return new SkepError("DEADLINE_EXCEEDED", late, details);
}

/** An error that names the service, if somebody said it who knows. */
function about(service: string, error: SkepError): SkepError {
  const { code, message, reason, metadata, violations } = error;
  const details = { reason, metadata: { ...metadata, service }, violations };
  return reason === "" ? error : new SkepError(code, message, details);
}
