// SPDX-License-Identifier: Apache-2.0

// Runs a service, waits until it is up, shows its tasks and removes it.

import {
  type Client,
  connect,
  durationFromMs,
  SkepError,
  TaskState,
  WaitServiceRequest_Goal,
} from "@skep/client";

/** Removes a service, and waits until it is gone. */
async function remove(client: Client, service: string): Promise<void> {
  await client.services.deleteService({ service });
  // Until its tasks have stopped it has the name.
  const goal = WaitServiceRequest_Goal.DELETED;
  await client.services.waitService({ service, goal, timeout: durationFromMs(60_000) });
}

const ending = new AbortController();
process.once("SIGINT", () => ending.abort());

const client = await connect().catch((error: unknown) => {
  console.error(String(error));
  process.exit(1);
});
try {
  const created = await client.services.createService({
    spec: {
      name: "quickstart-typescript",
      mode: { case: "replicated", value: { replicas: 2 } },
      template: { workload: { case: "process", value: { command: ["/bin/sleep", "600"] } } },
    },
  });
  const id = created.service?.meta?.id ?? "";
  try {
    const options = { timeoutMs: 60_000, stableForMs: 1_000, signal: ending.signal };
    const service = await client.waitConverged(created.service, options);
    console.log(`${service.spec?.name} runs ${service.status?.runningTasks} tasks`);

    const { tasks } = await client.tasks.listTasks({ filter: { services: [id] } });
    for (const task of tasks) {
      const state = TaskState[task.status?.state ?? TaskState.UNSPECIFIED];
      console.log(`${task.name} on ${task.node?.name}: ${state}`);
    }
  } finally {
    // What was made is taken away, however this ends.
    await remove(client, id);
  }
} catch (error) {
  if (!(error instanceof SkepError && error.code === "CANCELLED")) {
    console.error(String(error));
    process.exitCode = 1;
  }
} finally {
  client.close();
}
