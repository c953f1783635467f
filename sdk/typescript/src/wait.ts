// SPDX-License-Identifier: Apache-2.0

// Waiting until a service is as wanted and stays so, or it is known that it will not be.

import type { Calls } from "./calls.js";
import { misuse, SkepError } from "./errors.js";
import type { Service } from "./gen/skep/v1/service_pb.js";
import { type Task, TaskState } from "./gen/skep/v1/task_pb.js";
import { type Condition, Condition_Status } from "./gen/skep/v1/types_pb.js";
import { idOf, View } from "./view.js";
import type { Watch } from "./watch.js";

/** How long a service has to stay converged before that counts, unless the caller says otherwise. */
const STABLE_FOR_MS = 5_000;

/** How long asking why it was in vain may take, when the time of the wait is over. */
const LAST_WORDS_MS = 5_000;

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

/** The part of the client that a wait needs. */
export interface Sight {
  readonly calls: Calls;
  readonly watch: (id: string, signal: AbortSignal) => Watch<Service>;
  readonly read: (id: string, signal: AbortSignal) => Promise<Service | undefined>;
  readonly pending: (id: string, timeoutMs: number) => Promise<readonly Task[]>;
}

/** Waits for a service, as its answer showed it. */
export async function waitConverged(
  sight: Sight,
  service: Service | undefined,
  options: WaitOptions,
): Promise<Service> {
  if (service === undefined) {
    throw misuse("there is no service to wait for");
  }
  const { timeoutMs, signal } = options;
  const wait = new Wait(sight, service, options.stableForMs ?? STABLE_FOR_MS);
  const late = new SkepError("DEADLINE_EXCEEDED", "the time is over");
  try {
    const scope = { timeoutMs, signal, late: () => late };
    return await sight.calls.within(scope, (signal) => wait.run(signal));
  } catch (error) {
    throw error === late ? await wait.whyLate() : error;
  }
}

/** One wait. */
class Wait {
  readonly #sight: Sight;
  readonly #id: string;
  readonly #specRevision: bigint;
  readonly #stableForMs: number;
  /** As it was last seen. */
  #service: Service;
  /** Since when, by the local clock, the same claim to have converged has held. */
  #held: { claim: string; since: number } | undefined;

  constructor(sight: Sight, service: Service, stableForMs: number) {
    this.#sight = sight;
    this.#id = idOf(service);
    this.#specRevision = service.meta?.specRevision ?? 0n;
    this.#stableForMs = stableForMs;
    this.#service = service;
  }

  async run(signal: AbortSignal): Promise<Service> {
    const view = new View<Service>();
    const events = this.#sight.watch(this.#id, signal)[Symbol.asyncIterator]();
    try {
      let next = events.next();
      for (;;) {
        const got = await before(next, this.#heldUntil());
        let isEnd: boolean;
        if (got === undefined) {
          const until = this.#heldUntil() ?? Infinity;
          isEnd = performance.now() >= until && (await this.#confirm(signal));
        } else if (got.done) {
          throw new SkepError("INTERNAL", "the watch ended without a reason");
        } else {
          view.apply(got.value);
          isEnd = got.value.type === "progress" && this.#see(view.objects.get(this.#id));
          next = isEnd ? next : events.next();
        }
        if (isEnd) {
          return this.#service;
        }
      }
    } finally {
      // If an event is still awaited this ends with the signal, so nothing waits for it.
      events.return().catch(() => undefined);
    }
  }

  /** When, by the local clock, a claim will have held for long enough. */
  #heldUntil(): number | undefined {
    return this.#held === undefined ? undefined : this.#held.since + this.#stableForMs;
  }

  /** Whether the wait is over with this; failures that are final are thrown. */
  #see(service: Service | undefined): boolean {
    if (service === undefined) {
      const message = `the service ${this.#name} was deleted`;
      throw this.#failure("NOT_FOUND", "OBJECT_NOT_FOUND", message);
    }
    this.#service = service;
    const stalled = this.#holds("STALLED");
    if (stalled !== undefined) {
      const { reason, message } = stalled;
      throw this.#failure("FAILED_PRECONDITION", reason, message || reason, "STALLED");
    }
    const converged = this.#holds("CONVERGED");
    if (converged === undefined) {
      this.#held = undefined;
      return false;
    }
    const claim = claimOf(converged);
    const now = performance.now();
    if (this.#held?.claim !== claim) {
      this.#held = { claim, since: now };
    }
    return this.#stableForMs <= 0 || service.status?.runningTasks === 0;
  }

  /** Asks whether it is still as it was seen: a watch that is silent may be cut off. */
  async #confirm(signal: AbortSignal): Promise<boolean> {
    const held = this.#held;
    let service: Service | undefined;
    try {
      service = await this.#sight.read(this.#id, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof SkepError) || !isPassing(error)) {
        throw error;
      }
      // What was seen before proves nothing.
      this.#held = held && { claim: held.claim, since: performance.now() };
      return false;
    }
    return this.#see(service) || this.#held?.claim === held?.claim;
  }

  /** The condition of that type, if it holds for the wanted spec or a later one. */
  #holds(type: string): Condition | undefined {
    const found = this.#condition(type);
    const isJudged = found !== undefined && found.observedSpecRevision >= this.#specRevision;
    return isJudged && found.status === Condition_Status.TRUE ? found : undefined;
  }

  #condition(type: string): Condition | undefined {
    return this.#service.status?.conditions.find((condition) => condition.type === type);
  }

  /** What to throw when the time is over: why it was not enough. */
  async whyLate(): Promise<SkepError> {
    const pending = await this.#sight.pending(this.#id, LAST_WORDS_MS).catch(() => []);
    const causes = new Set(pending.flatMap((task) => unplaced(task)));
    const name = `the service ${this.#name}`;
    if (causes.size > 0) {
      const message = `${name} has tasks without a node: ${[...causes].join("; ")}`;
      return this.#failure("DEADLINE_EXCEEDED", "UNPLACED", message);
    }
    const why = this.#condition("CONVERGED")?.message || "its status does not say why";
    const message = `${name} did not converge in time: ${why}`;
    return this.#failure("DEADLINE_EXCEEDED", "NOT_CONVERGED", message, "CONVERGED");
  }

  get #name(): string {
    return this.#service.spec?.name || this.#id;
  }

  #failure(
    code: SkepError["code"],
    reason: string,
    message: string,
    condition?: string,
  ): SkepError {
    const metadata = { service: this.#name, ...(condition !== undefined && { condition }) };
    return new SkepError(code, message, { reason, metadata });
  }
}

/** What tells one claim to have converged from another: for which spec, and since when. */
function claimOf({ observedSpecRevision, transitionTime }: Condition): string {
  return `${observedSpecRevision} ${transitionTime?.seconds ?? 0n}.${transitionTime?.nanos ?? 0}`;
}

/**
 * Whether a read that failed with this says nothing about the next one: the watch tells of a
 * service that is gone, and goes on once there is a manager.
 */
function isPassing({ code, reason }: SkepError): boolean {
  return reason === "" || ["NOT_FOUND", "UNAVAILABLE", "DEADLINE_EXCEEDED"].includes(code);
}

/** Why a task that should run has no node, cause by cause. */
function unplaced({ desiredState, status }: Task): string[] {
  const causes = desiredState <= TaskState.RUNNING ? status?.unplaced?.causes : undefined;
  return causes?.map(({ message }) => message) ?? [];
}

/** What is awaited; undefined if it has not come when the local clock shows `until`. */
async function before<T>(awaited: Promise<T>, until: number | undefined): Promise<T | undefined> {
  if (until === undefined) {
    return awaited;
  }
  let timer: NodeJS.Timeout | undefined;
  const due = new Promise<undefined>((resolve) => {
    // A timer can wait no longer than this; the caller looks at the clock.
    const wait = Math.min(Math.max(0, until - performance.now()), 2 ** 31 - 1);
    timer = setTimeout(() => resolve(undefined), wait);
  });
  return Promise.race([awaited, due]).finally(() => clearTimeout(timer));
}
