// SPDX-License-Identifier: Apache-2.0

// When a call is repeated: the retry policy of `sdk/service_config.json`, the file that every SDK
// follows. gRPC for Go and Python reads it by itself; this is the same for TypeScript, and a test
// compares it with the file.

import type { Code } from "./errors.js";

/** How often and after which waits a call is repeated. */
export const POLICY = {
  /** Attempts in all, the first one included. */
  maxAttempts: 5,
  /** The wait before the second attempt is at most this. */
  initialBackoffMs: 100,
  /** No wait is longer. */
  maxBackoffMs: 2_000,
  /** The longest wait grows by this factor with each attempt. */
  backoffMultiplier: 2,
  /** What is worth another attempt: any other failure may have had an effect. */
  retryableStatusCodes: ["UNAVAILABLE"] as readonly Code[],
} as const;

/**
 * The wait after `failures` attempts (1: the first) have failed: between half of the longest and
 * all of it, at random, so that clients which failed together do not come back together.
 */
export function backoffMs(failures: number): number {
  const grown = POLICY.initialBackoffMs * POLICY.backoffMultiplier ** (failures - 1);
  return Math.min(grown, POLICY.maxBackoffMs) * (0.5 + Math.random() / 2);
}

/** Whether a failure is worth another attempt. */
export function isRetryable(code: Code): boolean {
  return POLICY.retryableStatusCodes.includes(code);
}
