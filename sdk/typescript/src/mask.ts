// SPDX-License-Identifier: Apache-2.0

// What differs between two messages: as the paths of an update_mask, and as a message.

import {
  type DescField,
  type DescMessage,
  equals,
  type Message,
  type MessageShape,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";

/** What an update sends. */
export interface Difference<T> {
  /** The paths of all fields that differ, outermost first. */
  readonly paths: string[];
  /** These fields as they are to be, and no other. */
  readonly sparse: T;
}

/**
 * What differs. A field is entered if it is a single message that both sides have; lists, maps,
 * and well-known types are taken whole, with all that this release does not know in them.
 */
export function diff<D extends DescMessage>(
  schema: D,
  before: MessageShape<D>,
  after: MessageShape<D>,
): Difference<MessageShape<D>> {
  const sparse = reflect(schema);
  const paths = collect(reflect(schema, before), reflect(schema, after), sparse, "");
  return { paths, sparse: sparse.message as MessageShape<D> };
}

function collect(
  before: ReflectMessage,
  after: ReflectMessage,
  sparse: ReflectMessage,
  prefix: string,
): string[] {
  return before.fields.flatMap((field) => {
    const path = `${prefix}${field.name}`;
    const [had, has] = [before.isSet(field), after.isSet(field)];
    if (had && has && isEntered(field)) {
      const inner = reflect(field.message);
      const paths = collect(before.get(field), after.get(field), inner, `${path}.`);
      if (paths.length > 0) {
        sparse.set(field, inner);
      }
      return paths;
    }
    if (had === has && (!had || equals(before.desc, alone(before, field), alone(after, field)))) {
      return [];
    }
    if (has) {
      sparse.set(field, after.get(field));
    }
    return [path];
  });
}

function isEntered(field: DescField): field is DescField & { fieldKind: "message" } {
  return field.fieldKind === "message" && !field.message.typeName.startsWith("google.protobuf.");
}

/** A message that has one field of another, and no other. */
function alone(whole: ReflectMessage, field: DescField): Message {
  const alone = reflect(whole.desc);
  alone.set(field, whole.get(field));
  return alone.message;
}
