// SPDX-License-Identifier: Apache-2.0

// A copy of what a watch shows, kept up to date by its events.

import type { Node, Service, Task } from "./v1.js";
import type { WatchEvent } from "./watch.js";

/** The objects that can be watched. */
export type Watched = Task | Service | Node;

/** The id of an object. */
export function idOf(object: Watched): string {
  return object.meta?.id ?? "";
}

/**
 * The objects that match a watch. Between two progress events it may show half of a change; at
 * one it is what the swarm was at that revision.
 */
export class View<T extends Watched> {
  /** The objects by id. */
  readonly objects: Map<string, T> = new Map();
  /** The last revision that is complete. */
  revision = 0n;

  /** Takes in an event. */
  apply(event: WatchEvent<T>): void {
    switch (event.type) {
      case "reset":
        this.objects.clear();
        for (const object of event.objects) {
          this.objects.set(idOf(object), object);
        }
        break;
      case "added":
      case "changed":
        this.objects.set(idOf(event.object), event.object);
        break;
      case "left":
      case "deleted":
        this.objects.delete(idOf(event.object));
        break;
      case "progress":
        this.revision = event.revision;
        break;
    }
  }
}
