// SPDX-License-Identifier: Apache-2.0

// What the compiler has to refuse, and what it has to know: these are tests when they are built.

import { test } from "node:test";
import type { Client, Service, Task, WatchEvent } from "../src/index.js";

/** Never called. */
export async function refused(client: Client): Promise<void> {
  // @ts-expect-error: there is no such field.
  await client.services.createService({ spec: { nam: "web" } });
  // @ts-expect-error: a field of another type.
  await client.services.createService({ spec: { name: 7 } });
  const value = { replicas: "2" };
  // @ts-expect-error: a field of another type, in a oneof.
  await client.services.createService({ spec: { mode: { case: "replicated", value } } });
  // @ts-expect-error: revisions are bigint.
  await client.services.deleteService({ service: "web", ifSpecRevision: 7 });
  // @ts-expect-error: a filter of another kind.
  client.watchServices({ tasks: ["tsk_1"] });
  // @ts-expect-error: a spec has no status.
  await client.editService("web", (spec) => spec.status);
  // @ts-expect-error: a task cannot converge.
  await client.waitConverged({} as Task);
}

/** Never called. */
export function known(event: WatchEvent<Service>): string {
  switch (event.type) {
    case "reset":
      return event.objects.map((service) => service.spec?.name).join();
    case "progress":
      return `${event.revision + 1n}`;
    default:
      return event.object.spec?.name ?? "";
  }
}

test("what the compiler must refuse was refused", () => undefined);
