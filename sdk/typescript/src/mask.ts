// SPDX-License-Identifier: Apache-2.0

// What differs between two messages, as the paths of an update_mask.

import { type DescField, type DescMessage, equals, type MessageShape } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";

/**
 * The paths of all fields that differ, outermost first. A field is entered if it is a single
 * message that both sides have; lists, maps, and well-known types are taken whole.
 */
export function diff<D extends DescMessage>(
  schema: D,
  before: MessageShape<D>,
  after: MessageShape<D>,
): string[] {
  return collect(reflect(schema, before), reflect(schema, after), "");
}

function collect(before: ReflectMessage, after: ReflectMessage, prefix: string): string[] {
  return before.fields.flatMap((field) => {
    const path = `${prefix}${field.name}`;
    const [had, has] = [before.isSet(field), after.isSet(field)];
    if (had && has && isEntered(field)) {
      return collect(before.get(field), after.get(field), `${path}.`);
    }
    const differs = had !== has || (had && !isEqual(field, before, after));
    return differs ? [path] : [];
  });
}

function isEntered(field: DescField): field is DescField & { fieldKind: "message" } {
  return field.fieldKind === "message" && !field.message.typeName.startsWith("google.protobuf.");
}

/** Compares one field that both sides have, as messages that have no other. */
function isEqual(field: DescField, before: ReflectMessage, after: ReflectMessage): boolean {
  const [one, other] = [before, after].map((whole) => {
    const alone = reflect(before.desc);
    alone.set(field, whole.get(field));
    return alone.message;
  });
  return one !== undefined && other !== undefined && equals(before.desc, one, other);
}
