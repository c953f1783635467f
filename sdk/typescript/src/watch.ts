// SPDX-License-Identifier: Apache-2.0

// The watch that does not end: the state first, then every change, over broken connections and
// restarts of the daemon, without a gap and without a duplicate.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { Client as Stub } from "@connectrpc/connect";
import { anyOf, type Calls } from "./calls.js";
import { SkepError } from "./errors.js";
import { backoffMs, isRetryable } from "./policy.js";
import {
  EventType,
  type WatchRequest,
  WatchRequestSchema,
  type WatchResponse,
  type WatchResponse_Event,
  type WatchService,
} from "./v1.js";
import type { Watched } from "./view.js";

/** The longest silence between two frames if the request sets none. */
const DEFAULT_INTERVAL_MS = 5_000;

/** How many intervals of silence mean that the other side is gone. */
const SILENT_INTERVALS = 3;

/** The least silence that means so: a server has to have the time to refuse an interval. */
const SILENCE_MIN_MS = 1_000;

/**
 * The names of types. All others are changes: also one of a later release says that the object is
 * there and is new.
 */
const NAMES: { readonly [type: number]: "added" | "left" | "deleted" | undefined } = {
  [EventType.ADDED]: "added",
  [EventType.LEFT]: "left",
  [EventType.DELETED]: "deleted",
};

/** What a watch tells of objects `T`. */
export type WatchEvent<T extends Watched> =
  /**
   * All there is: replace whatever you held. First of all, and again if the server no longer has
   * the history that was needed to go on.
   */
  | { readonly type: "reset"; readonly objects: readonly T[] }
  /** The object was made, or began to match. */
  | { readonly type: "added"; readonly object: T }
  /** It changed and still matches. */
  | { readonly type: "changed"; readonly object: T }
  /** It still exists but no longer matches. */
  | { readonly type: "left"; readonly object: T }
  /** It is gone; this is its last state. */
  | { readonly type: "deleted"; readonly object: T }
  /**
   * Everything through `revision` has been told. What lies between two of these happened as one.
   * The number may be kept, and given to a later watch to go on from. `headRevision` is the
   * newest one the server has: the difference is the lag.
   */
  | { readonly type: "progress"; readonly revision: bigint; readonly headRevision: bigint };

/** How to watch. */
export interface WatchOptions {
  /** Only what came after this revision; unset or 0: first a reset with the present state. */
  readonly fromRevision?: bigint;
  /** Longest silence between two progress events, in milliseconds. 1,000 to 60,000; unset: 5,000. */
  readonly progressIntervalMs?: number;
  /** Ends the watch, with a {@link SkepError} of code CANCELLED, when aborted. */
  readonly signal?: AbortSignal;
}

/**
 * A watch: read it with `for await`. It ends with an error that repeating cannot cure, such as a
 * filter that is refused. A loop that is left leaves nothing open; a later one over the same
 * watch goes on after {@link Watch.revision}.
 */
export class Watch<T extends Watched> implements AsyncIterable<WatchEvent<T>> {
  readonly #calls: Calls;
  readonly #stub: Stub<typeof WatchService>;
  /** The name that events have for objects `T`. */
  readonly #kind: WatchResponse_Event["object"]["case"];
  readonly #signal: AbortSignal | undefined;
  /** Asks for what comes after the last whole step. */
  readonly #request: WatchRequest;

  /** Watches are made by the client. */
  constructor(
    calls: Calls,
    stub: Stub<typeof WatchService>,
    kind: WatchResponse_Event["object"]["case"],
    request: MessageInitShape<typeof WatchRequestSchema>,
    options: WatchOptions,
  ) {
    this.#calls = calls;
    this.#stub = stub;
    this.#kind = kind;
    this.#signal = options.signal;
    this.#request = create(WatchRequestSchema, request);
    this.#request.afterRevision = options.fromRevision ?? 0n;
    if (options.progressIntervalMs !== undefined) {
      this.#request.progressInterval = durationFromMs(options.progressIntervalMs);
    }
  }

  /** The last revision that was told whole: that of the last progress event; 0: none yet. */
  get revision(): bigint {
    return this.#request.afterRevision;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchEvent<T>, void, undefined> {
    for (let failures = 1; ; failures++) {
      try {
        let step: WatchResponse_Event[] = [];
        for await (const frame of this.#frames()) {
          failures = 0;
          step.push(...frame.events);
          if (frame.revision !== 0n) {
            yield* this.#close(step, frame);
            step = [];
          }
        }
      } catch (error) {
        this.#judge(error);
      }
      // The server has ended the stream, or the connection broke: go on from the last whole step.
      const wait = backoffMs(Math.max(failures, 1));
      await this.#calls.pause(wait, this.#signal);
    }
  }

  /** What a whole step tells. The revision moves on once everything before it was taken. */
  *#close(step: WatchResponse_Event[], frame: WatchResponse): Generator<WatchEvent<T>> {
    const { revision, headRevision } = frame;
    // An object of a kind that this client does not know is left out.
    const known = step.filter(({ object }) => object.case === this.#kind);
    if (this.#request.afterRevision === 0n) {
      yield { type: "reset", objects: known.map(({ object }) => object.value as T) };
    } else {
      for (const { type, object } of known) {
        yield { type: NAMES[type] ?? "changed", object: object.value as T };
      }
    }
    this.#request.afterRevision = revision;
    yield { type: "progress", revision, headRevision };
  }

  /** The frames of one connection, until it ends, fails or falls silent. */
  async *#frames(): AsyncGenerator<WatchResponse, void, undefined> {
    const { progressInterval } = this.#request;
    const interval = progressInterval ? durationMs(progressInterval) : DEFAULT_INTERVAL_MS;
    const silenceMs = Math.max(interval * SILENT_INTERVALS, SILENCE_MIN_MS);
    const silent = new AbortController();
    const signal = anyOf(silent.signal, this.#signal);
    const frames = this.#stub.watch(this.#request, { signal })[Symbol.asyncIterator]();
    try {
      for (;;) {
        const timer = setTimeout(() => silent.abort(), silenceMs);
        const next = await frames.next().finally(() => clearTimeout(timer));
        if (next.done) {
          return;
        }
        yield next.value;
      }
    } finally {
      await frames.return?.();
    }
  }

  /** After a failure: goes on, or starts over; or gives up, by throwing it. */
  #judge(error: unknown): void {
    this.#calls.check(this.#signal);
    if (!(error instanceof SkepError)) {
      throw error;
    }
    const { code, reason } = error;
    if (code === "OUT_OF_RANGE" && reason !== "") {
      this.#request.afterRevision = 0n;
      return;
    }
    // What the caller got wrong stays wrong. Other failures of which no server told are those of
    // connections, which come back.
    const isLost = reason === "" && code !== "INVALID_ARGUMENT" && code !== "UNIMPLEMENTED";
    if (!isLost && !isRetryable(code)) {
      throw error;
    }
  }
}
