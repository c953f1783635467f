// SPDX-License-Identifier: Apache-2.0

// The layer under the generated clients: gives every call a deadline and every change a
// `request_id`, and repeats what failed with UNAVAILABLE by the policy of all SDKs.

import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  getOption,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, makeAnyClient, type Transport } from "@connectrpc/connect";
import { failure, messageOf, misuse, SkepError } from "./errors.js";
import { backoffMs, isRetryable, POLICY } from "./policy.js";
import { waits } from "./v1.js";

/** How long a call may take if the caller sets no deadline: the most that a server allows. */
const DEFAULT_DEADLINE_MS = 60_000;

/** The longest deadline that can be told: eight digits are allowed. */
const DEADLINE_MAX_MS = 99_999_999;

const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** A fresh `request_id`: 26 random letters and digits. */
export function newRequestId(): string {
  return Array.from({ length: 26 }, () => ALPHANUMERIC[randomInt(ALPHANUMERIC.length)]).join("");
}

/** A signal that is aborted with the first of these. */
export function anyOf(...signals: (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}

/** Calls over the connection to one daemon. */
export class Calls {
  readonly #transport: Transport;
  readonly #host: string;
  readonly #closing = new AbortController();

  constructor(transport: Transport, host: string) {
    this.#transport = transport;
    this.#host = host;
  }

  /** Refuses what comes, and ends every pause. What is under way ends with the connection. */
  close(): void {
    this.#closing.abort();
  }

  /** The generated client of a service. */
  client<S extends DescService>(service: S): Client<S> {
    const client = makeAnyClient(service, (method) => {
      switch (method.methodKind) {
        case "unary": {
          const defaultMs = getOption(method, waits) ? 0 : DEFAULT_DEADLINE_MS;
          return (input: MessageInitShape<DescMessage>, options?: CallOptions) =>
            this.#unary(method, defaultMs, input, options);
        }
        case "server_streaming":
          return (input: MessageInitShape<DescMessage>, options?: CallOptions) =>
            this.#stream(method, input, options);
        default:
          return null; // The contract has no other kind.
      }
    });
    return client as Client<S>;
  }

  /** Waits; not longer than until the signal is aborted or the client closed. */
  async pause(ms: number, signal?: AbortSignal): Promise<void> {
    const ends = anyOf(this.#closing.signal, signal);
    await sleep(ms, undefined, { signal: ends }).catch(() => undefined);
  }

  /** Throws if nothing more is wanted: the client is closed, or the caller's signal aborted. */
  check(signal: AbortSignal | undefined): void {
    if (this.#closing.signal.aborted) {
      throw new SkepError("CANCELLED", "the client is closed");
    }
    if (signal?.aborted) {
      const cause: unknown = signal.reason;
      throw new SkepError("CANCELLED", "the caller's signal was aborted", { cause });
    }
  }

  async #unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    defaultMs: number,
    input: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const { signal, headers, contextValues } = options;
    const timeoutMs = options.timeoutMs ?? defaultMs;
    const request = prepare(method, input);
    const response = await this.#attempts(method, { ...options, timeoutMs }, (leftMs) =>
      this.#transport.unary(method, signal, leftMs, headers, request, contextValues),
    );
    options.onHeader?.(response.header);
    options.onTrailer?.(response.trailer);
    return response.message;
  }

  /** A loop over it that is left ends the stream. */
  async *#stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    input: MessageInitShape<I>,
    options: CallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    const request = prepare(method, input);
    const ending = new AbortController();
    const { signal } = ending;
    options.signal?.addEventListener("abort", () => ending.abort(), { signal });
    try {
      const open = await this.#attempts(method, options, async (leftMs) => {
        const rest = [options.headers, only(request), options.contextValues] as const;
        const response = await this.#transport.stream(method, signal, leftMs, ...rest);
        const messages = response.message[Symbol.asyncIterator]();
        // A refusal comes in place of the first message.
        return { response, messages, first: await messages.next() };
      });
      options.onHeader?.(open.response.header);
      let next = open.first;
      while (!next.done) {
        yield next.value;
        next = await this.#told(open.messages.next(), options);
      }
      options.onTrailer?.(open.response.trailer);
    } finally {
      ending.abort();
    }
  }

  /** Calls until there is an answer that is worth no further attempt, or there were enough. */
  async #attempts<T>(
    method: DescMethod,
    options: CallOptions,
    attempt: (leftMs: number) => Promise<T>,
  ): Promise<T> {
    const { timeoutMs = 0, signal } = options;
    const until = performance.now() + (timeoutMs || Number.POSITIVE_INFINITY);
    const repeatable = method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;
    for (let failures = 1; ; failures++) {
      this.check(signal);
      const leftMs = until - performance.now();
      const deadlineMs = Math.min(Math.max(1, Math.ceil(leftMs)), DEADLINE_MAX_MS);
      try {
        return await this.#told(attempt(timeoutMs && deadlineMs), options);
      } catch (error) {
        const again = repeatable && error instanceof SkepError && isRetryable(error.code);
        if (!again || failures >= POLICY.maxAttempts) {
          throw error;
        }
        await this.pause(Math.min(backoffMs(failures), leftMs), signal);
      }
    }
  }

  /** What an attempt gives; its failure as an error of this package. */
  async #told<T>(answer: Promise<T>, { timeoutMs = 0, signal }: CallOptions): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      this.check(signal);
      throw failure(error, this.#host, timeoutMs);
    }
  }
}

/** A request, which has a `request_id` if it makes a change. */
type Sent<I extends DescMessage> = MessageShape<I> & { requestId?: string };

/** The request as it is sent in every attempt: whole, and with a `request_id` of its own. */
function prepare<I extends DescMessage>(
  method: DescMethod & { input: I },
  input: MessageInitShape<I>,
): MessageShape<I> {
  try {
    // What has no encoding is the caller's mistake, not the connection's. And a copy is sent, for
    // the caller may use a message again, and that is another change.
    const encoded = toBinary(method.input, create(method.input, input));
    const request = fromBinary<I>(method.input, encoded) as Sent<I>;
    if (request.requestId === "") {
      request.requestId = newRequestId();
    }
    return request;
  } catch (error) {
    throw misuse(`bad request of ${method.name}: ${messageOf(error)}`, error);
  }
}

async function* only<T>(item: T): AsyncGenerator<T> {
  yield item;
}
