// SPDX-License-Identifier: Apache-2.0

// Editing by paths of proto JSON: the runner cannot send a function.

import {
  type Edited,
  fromJson,
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
import { type Json, object } from "./json.js";

type Spec = ServiceSpec | NodeSpec | SwarmSpec;
type SpecSchema = typeof ServiceSpecSchema | typeof NodeSpecSchema | typeof SwarmSpecSchema;

/** A function that sets each path of a spec, by way of its proto JSON. */
export function setting(schema: SpecSchema, order: Json): (spec: Spec) => void {
  return (spec) => {
    const json = toJson(schema, spec) as Json;
    for (const [path, value] of Object.entries(object(order, "set"))) {
      const parts = path.split(".");
      const last = parts.pop() ?? "";
      let place = json;
      for (const part of parts) {
        place[part] ??= {};
        place = place[part] as Json;
      }
      place[last] = value;
    }
    const changed = fromJson(schema, json);
    for (const key of Object.keys(spec)) {
      delete (spec as Record<string, unknown>)[key];
    }
    Object.assign(spec, changed);
  };
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
