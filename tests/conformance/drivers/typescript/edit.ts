// SPDX-License-Identifier: Apache-2.0

// Editing by paths of proto JSON: the runner cannot send a function.

import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import {
  type Edited,
  fromJson,
  type JsonValue,
  type Node,
  NodeSchema,
  type NodeSpec,
  type NodeSpecSchema,
  type Service,
  ServiceSchema,
  type ServiceSpec,
  type ServiceSpecSchema,
  type Swarm,
  SwarmSchema,
  type SwarmSpec,
  type SwarmSpecSchema,
  toJson,
} from "@skep/client";
import { Broken, type Json, object } from "./json.js";

type Spec = ServiceSpec | NodeSpec | SwarmSpec;
type SpecSchema = typeof ServiceSpecSchema | typeof NodeSpecSchema | typeof SwarmSpecSchema;

/** A function that sets each path of a spec, and leaves all else as it is. */
export function setting(schema: SpecSchema, order: Json): (spec: Spec) => void {
  return (spec) => {
    for (const [path, value] of Object.entries(object(order, "set"))) {
      set(reflect(schema, spec), path.split("."), value);
    }
  };
}

/** Sets what a path of proto JSON leads to: names of fields, keys of maps, places in lists. */
function set(message: ReflectMessage, [name, ...rest]: string[], value: JsonValue): void {
  const field = message.fields.find((field) => field.jsonName === name);
  if (field === undefined) {
    throw new Broken(`${message.desc.typeName} has no ${name}`);
  }
  const [next = "", ...beyond] = rest;
  if (rest.length === 0) {
    const made = reflect(message.desc, fromJson(message.desc, { [field.jsonName]: value }));
    if (made.isSet(field)) {
      message.set(field, made.get(field));
    } else {
      message.clear(field);
    }
  } else if (field.fieldKind === "map") {
    const map = message.get(field);
    if (value === null) {
      map.delete(next);
    } else {
      map.set(next, value);
    }
  } else if (field.fieldKind === "list") {
    set(message.get(field).get(Number(next)) as ReflectMessage, beyond, value);
  } else if (field.fieldKind === "message") {
    const inner = message.get(field);
    set(inner, rest, value);
    message.set(field, inner);
  } else {
    throw new Broken(`${name} has no ${rest.join(".")}`);
  }
}

/** What came of an edit, as the runner reads it. */
export function asEdited({ changed, revision, object }: Edited<Service | Node | Swarm>): Json {
  return { changed, revision: revision.toString(), object: asJson(object) };
}

function asJson(object: Service | Node | Swarm) {
  switch (object.$typeName) {
    case "skep.v1.Service":
      return toJson(ServiceSchema, object);
    case "skep.v1.Node":
      return toJson(NodeSchema, object);
    case "skep.v1.Swarm":
      return toJson(SwarmSchema, object);
  }
}
