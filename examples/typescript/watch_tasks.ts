// SPDX-License-Identifier: Apache-2.0

// Shows every change to every task until Ctrl-C, over restarts of the daemon.
//
//   watch_tasks [SERVICE]...

import { connect, SkepError, type Task, TaskState, View } from "@skep/client";

const ending = new AbortController();
process.once("SIGINT", () => ending.abort());

const client = await connect().catch((error: unknown) => {
  console.error(String(error));
  process.exit(1);
});
const running = new View<Task>();
const filter = { services: process.argv.slice(2), states: [TaskState.RUNNING] };
try {
  for await (const event of client.watchTasks(filter, { signal: ending.signal })) {
    running.apply(event);
    switch (event.type) {
      case "reset":
        console.log(`${event.objects.length} tasks run`);
        break;
      case "progress":
        break; // The view is now what the swarm was at this revision.
      default: {
        const { name, node, status } = event.object;
        const state = TaskState[status?.state ?? TaskState.UNSPECIFIED];
        const { size } = running.objects;
        console.log(`${event.type} ${name} on ${node?.name}: ${state}; ${size} run`);
      }
    }
  }
} catch (error) {
  if (!(error instanceof SkepError && error.code === "CANCELLED")) {
    console.error(String(error));
    process.exitCode = 1;
  }
} finally {
  client.close();
}
