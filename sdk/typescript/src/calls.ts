// SPDX-License-Identifier: Apache-2.0

// The layer under the generated clients: gives every call a deadline and every change a
// `request_id`, and repeats what failed with UNAVAILABLE by the policy of all SDKs.

import { randomInt } from "node:crypto";
import { setMaxListeners } from "node:events";
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, makeAnyClient, type Transport } from "@connectrpc/connect";
import { messageOf, misuse, SkepError, toldBy, whyLost } from "./errors.js";
import { backoffMs, isRetryable, POLICY } from "./policy.js";

/** How long a call may take if the caller sets no deadline: the most that a server allows. */
const DEFAULT_DEADLINE_MS = 60_000;

const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** A fresh `request_id`: 26 random letters and digits. */
export function newRequestId(): string {
  return Array.from({ length: 26 }, () => ALPHANUMERIC[randomInt(ALPHANUMERIC.length)]).join("");
}

/** Calls over the connection to one daemon. */
export class Calls {
  readonly #transport: Transport;
  readonly #host: string;
  readonly #closing = new AbortController();

  constructor(transport: Transport, host: string) {
    this.#transport = transport;
    this.#host = host;
    // Every call that is under way listens. Many are no leak, and Node would warn of them.
    setMaxListeners(0, this.#closing.signal);
  }

  /** Whether {@link close} was called. */
  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Ends everything that goes on, and refuses what comes. */
  close(): void {
    this.#closing.abort();
  }

  /** The generated client of a service. */
  client<S extends DescService>(service: S): Client<S> {
    const client = makeAnyClient(service, (method) => {
      switch (method.methodKind) {
        case "unary":
          return (input: MessageInitShape<DescMessage>, options?: CallOptions) =>
            this.#unary(method, input, options);
        case "server_streaming":
          return (input: MessageInitShape<DescMessage>, options?: CallOptions) =>
            this.#stream(method, input, options);
        default:
          return null; // The contract has no other kind.
      }
    });
    return client as Client<S>;
  }

  /**
   * Runs something within a limit of time, until a signal, and until the client is closed. It is
   * given a signal that ends with the first of them, or when it is done.
   */
  async within<T>(scope: Scope, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const within = this.#enter(scope);
    try {
      return await run(within.signal);
    } catch (error) {
      within.signal.throwIfAborted();
      throw error;
    } finally {
      within.leave();
    }
  }

  /**
   * A signal that ends with its scope or with the client; its reason is what to throw then. It no
   * longer does once it is released; to leave is to end it too.
   */
  #enter(scope: Scope): { signal: AbortSignal; release: () => void; leave: () => void } {
    const controller = new AbortController();
    const leaves: (() => void)[] = [];
    const endWith = (signal: AbortSignal | undefined, why: () => SkepError) => {
      const end = () => controller.abort(why());
      if (signal?.aborted) {
        end();
      }
      signal?.addEventListener("abort", end);
      leaves.push(() => signal?.removeEventListener("abort", end));
    };
    endWith(this.#closing.signal, () => new SkepError("CANCELLED", "the client is closed"));
    endWith(scope.signal, () => {
      const cause: unknown = scope.signal?.reason;
      return new SkepError("CANCELLED", "the caller's signal was aborted", { cause });
    });
    // 0: for ever. Less than that is a time that is over.
    if (scope.timeoutMs !== undefined && scope.timeoutMs !== 0) {
      const end = () => controller.abort(scope.late?.() ?? this.#late(scope.timeoutMs ?? 0));
      const timer = setTimeout(end, Math.min(Math.max(0, scope.timeoutMs), 2 ** 31 - 1));
      leaves.push(() => clearTimeout(timer));
    }
    const release = () => {
      for (const leave of leaves) {
        leave();
      }
    };
    const leave = () => {
      release();
      controller.abort();
    };
    return { signal: controller.signal, release, leave };
  }

  #late(timeoutMs: number): SkepError {
    const message = `no answer from ${this.#host} within ${timeoutMs / 1_000} s`;
    return new SkepError("DEADLINE_EXCEEDED", `${message}; a change may have been made or not`);
  }

  async #unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const request = prepare(method, input);
    const timeoutMs = options.timeoutMs ?? DEFAULT_DEADLINE_MS;
    const until = performance.now() + timeoutMs;
    const { signal, release } = this.#enter({ timeoutMs, signal: options.signal });
    try {
      const response = await this.#attempts(method, signal, () => {
        const headers = withDeadline(options.headers, timeoutMs && until - performance.now());
        return this.#transport.unary(method, signal, 0, headers, request, options.contextValues);
      });
      options.onHeader?.(response.header);
      options.onTrailer?.(response.trailer);
      return response.message;
    } finally {
      // Not leave: nothing of it goes on, and to end what is over makes errors that no one reads.
      release();
    }
  }

  /** A loop over it that is left ends the stream; so does its signal. */
  async *#stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    input: MessageInitShape<I>,
    options: CallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    const request = prepare(method, input);
    const { signal, leave } = this.#enter(options);
    try {
      const { response, messages, first } = await this.#attempts(method, signal, async () => {
        const response = await this.#transport.stream(
          method,
          signal,
          0,
          withDeadline(options.headers, options.timeoutMs ?? 0),
          only(request),
          options.contextValues,
        );
        options.onHeader?.(response.header);
        const messages = response.message[Symbol.asyncIterator]();
        // A refusal comes in place of the first message.
        return { response, messages, first: await messages.next() };
      });
      for (let next = first; !next.done; next = await this.#told(signal, messages.next())) {
        yield next.value;
      }
      options.onTrailer?.(response.trailer);
    } finally {
      leave();
    }
  }

  /** Calls until there is an answer that is worth no further attempt, or there were enough. */
  async #attempts<T>(
    method: DescMethod,
    signal: AbortSignal,
    attempt: () => Promise<T>,
  ): Promise<T> {
    const repeatable = method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;
    for (let failures = 1; ; failures++) {
      try {
        signal.throwIfAborted();
        return await this.#told(signal, attempt());
      } catch (error) {
        const again = repeatable && error instanceof SkepError && isRetryable(error.code);
        if (!again || failures >= POLICY.maxAttempts) {
          throw error;
        }
        await pause(backoffMs(failures), signal);
      }
    }
  }

  /** What an attempt gives; its failure as an error of this package. */
  async #told<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      signal.throwIfAborted();
      throw toldBy(error) ?? this.#lost(error);
    }
  }

  /** A failure that no server told us of. */
  #lost(cause: unknown): SkepError {
    const message = `the connection to ${this.#host} is lost: ${whyLost(cause)}`;
    return new SkepError("UNAVAILABLE", message, { cause });
  }
}

/** What ends something before it is done. */
export interface Scope {
  /** Ends it when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** The longest it may take, in milliseconds; unset or 0: for ever. */
  readonly timeoutMs?: number | undefined;
  /** What to throw when that is over. */
  readonly late?: () => SkepError;
}

/** The request as it is sent in every attempt: whole, and with a `request_id` of its own. */
function prepare<I extends DescMessage>(
  method: DescMethod & { input: I },
  input: MessageInitShape<I>,
): MessageShape<I> {
  let request: MessageShape<I>;
  try {
    // What has no encoding is the caller's mistake, not the connection's. And a copy is sent, for
    // the caller may use a message again, and that is another change.
    request = fromBinary(method.input, toBinary(method.input, create(method.input, input)));
  } catch (error) {
    throw misuse(`bad request of ${method.name}: ${messageOf(error)}`, error);
  }
  const { requestId } = method.input.field;
  const fields = reflect(method.input, request);
  if (requestId !== undefined && fields.get(requestId) === "") {
    fields.set(requestId, newRequestId());
  }
  return request;
}

/** The headers of an attempt that tell the server how long it may take; 0: for ever. */
function withDeadline(given: HeadersInit | undefined, timeoutMs: number): Headers {
  const headers = new Headers(given);
  if (timeoutMs > 0) {
    const whole = Math.min(Math.ceil(timeoutMs), 99_999_999); // Eight digits are allowed.
    headers.set("grpc-timeout", `${whole}m`);
  }
  return headers;
}

async function* only<T>(item: T): AsyncGenerator<T> {
  yield item;
}

/** Waits; ends early, with the reason of the signal, when that is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", end);
      resolve();
    }, ms);
    if (signal.aborted) {
      end();
    } else {
      signal.addEventListener("abort", end, { once: true });
    }
  });
}
