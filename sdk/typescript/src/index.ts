// SPDX-License-Identifier: Apache-2.0

/**
 * The client of skep, a container orchestrator whose product is its gRPC API: the generated
 * clients and messages, and the five things that every SDK of skep adds to them.
 *
 * 1. **Connect**: {@link connect} finds the daemon.
 * 2. **Calls**: `client.services` and its siblings are the generated clients. Every call gets a
 *    deadline, every change a `requestId`, and what failed with UNAVAILABLE is repeated.
 * 3. **Watch**: {@link Client.watchTasks} and its siblings yield {@link WatchEvent}s and resume by
 *    themselves; a {@link View} holds what they show.
 * 4. **Wait**: {@link Client.waitConverged} ends when a service is as wanted and stays so, or
 *    cannot be.
 * 5. **Edit**: {@link Client.editService} changes what a function changes and nothing else.
 *
 * What fails is a {@link SkepError}.
 *
 * @packageDocumentation
 */

// What makes and reads messages, so that programs need no second package.
export { clone, create, equals, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
export {
  durationFromMs,
  durationMs,
  timestampDate,
  timestampFromDate,
} from "@bufbuild/protobuf/wkt";
export type { CallOptions } from "@connectrpc/connect";
export { newRequestId } from "./calls.js";
export { Client, type ConnectOptions, connect, type EditOptions } from "./client.js";
export type { Change, Edited } from "./edit.js";
export { type Code, type ErrorDetails, SkepError, type Violation } from "./errors.js";
export * from "./v1.js";
export { View, type Watched } from "./view.js";
export type { WaitOptions } from "./wait.js";
export type { Watch, WatchEvent, WatchOptions } from "./watch.js";
