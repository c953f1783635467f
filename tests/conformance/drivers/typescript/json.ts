// SPDX-License-Identifier: Apache-2.0

// Orders and answers.

import type { JsonValue } from "@skep/client";

/** An object of JSON. */
export type Json = { [key: string]: JsonValue };

/** How the runner's order was no order. */
export class Broken extends Error {}

/** A member; undefined if there is none, or null. */
export function field(order: Json, key: string): JsonValue | undefined {
  return order[key] ?? undefined;
}

/** A member that is a text; empty if there is none. */
export function text(order: Json, key: string): string {
  const value = field(order, key) ?? "";
  if (typeof value !== "string") {
    throw new Broken(`${key} must be a text`);
  }
  return value;
}

/** A member that is a number. */
export function number(order: Json, key: string): number | undefined {
  const value = field(order, key);
  if (value !== undefined && typeof value !== "number") {
    throw new Broken(`${key} must be a number`);
  }
  return value;
}

/** A member that is an object; empty if there is none. */
export function object(order: Json, key: string): Json {
  const value = field(order, key) ?? {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Broken(`${key} must be an object`);
  }
  return value;
}
