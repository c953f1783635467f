// SPDX-License-Identifier: Apache-2.0

// Editing: read, change, and send only what the change touched, for the spec that was read.
//
// Only what the change touched is named in the mask and sent, so an old client cannot erase what a
// newer one wrote elsewhere; and two editors of one object never undo each other's work.

import { setTimeout as sleep } from "node:timers/promises";
import { clone, create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { SkepError } from "./errors.js";
import { diff } from "./mask.js";
import { ErrorReason, type Meta } from "./v1.js";

/** How often an edit starts over because someone else changed the object meanwhile. */
const MAX_ROUNDS = 10;

/**
 * The longest pause before it does, of a random length: someone who writes all the time would
 * else win every race.
 */
const PAUSE_MAX_MS = 200;

/** What came of an edit. */
export interface Edited<T> {
  /** The object as it now is. */
  readonly object: T;
  /** The revision of the change; of the read if there was nothing to change. */
  readonly revision: bigint;
  /** Whether the function changed anything. */
  readonly changed: boolean;
}

/**
 * Changes a spec in place. It may run several times, on the newest spec each time, and must come
 * to the same end.
 */
export type Change<S> = (spec: S) => void | Promise<void>;

/** One kind of object: how it is read, and how its spec is changed. */
export interface Editable<D extends DescMessage, T, Got, Updated> {
  readonly schema: D;
  readonly get: () => Promise<Got>;
  readonly update: (update: Update<MessageShape<D>>) => Promise<Updated>;
  readonly objectOf: (answer: Got | Updated) => T | undefined;
}

/** What the requests for changes have in common. */
export interface Update<S> {
  readonly id: string;
  readonly spec: S;
  readonly updateMask: { paths: string[] };
  readonly ifSpecRevision: bigint;
}

/** Reads, changes and writes, until nobody else came between. */
export async function edit<
  D extends DescMessage,
  T extends { meta?: Meta | undefined; spec?: MessageShape<D> | undefined },
  Got extends { revision: bigint },
  Updated extends { revision: bigint },
>(change: Change<MessageShape<D>>, kind: Editable<D, T, Got, Updated>): Promise<Edited<T>> {
  for (let round = 1; ; round++) {
    const answer = await kind.get();
    const object = kind.objectOf(answer);
    if (object === undefined) {
      throw new SkepError("INTERNAL", "the server's answer is empty");
    }
    const before = object.spec ?? create(kind.schema);
    const spec = clone(kind.schema, before);
    await change(spec);
    const { paths, sparse } = diff(kind.schema, before, spec);
    if (paths.length === 0) {
      return { object, revision: answer.revision, changed: false };
    }
    const { id = "", specRevision = 0n } = object.meta ?? {};
    const update = { id, spec: sparse, updateMask: { paths }, ifSpecRevision: specRevision };
    try {
      const answer = await kind.update(update);
      return { object: kind.objectOf(answer) ?? object, revision: answer.revision, changed: true };
    } catch (error) {
      const lost = error instanceof SkepError && error.is(ErrorReason.SPEC_REVISION_MISMATCH);
      if (!lost || round >= MAX_ROUNDS) {
        throw error;
      }
      await sleep(Math.random() * PAUSE_MAX_MS);
    }
  }
}
