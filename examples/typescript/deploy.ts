// SPDX-License-Identifier: Apache-2.0

// Makes the service of a file what the file says, and waits until it is so.
//
//   deploy SPEC.json     the proto JSON of a skep.v1.ServiceSpec

import { readFile } from "node:fs/promises";
import { type Client, connect, fromJson, ServiceSpecSchema, SkepError } from "@skep/client";

async function deploy(client: Client, file: string): Promise<void> {
  const spec = fromJson(ServiceSpecSchema, JSON.parse(await readFile(file, "utf8")));
  // Creates the service, changes it, or does nothing if it is as wanted already.
  const answer = await client.services.updateService({ spec, allowMissing: true });
  const { status } = await client.waitConverged(answer.service, { timeoutMs: 600_000 });
  console.log(`${spec.name}: ${status?.runningTasks} of ${status?.desiredTasks} tasks run`);
}

function explain(error: unknown): string {
  if (error instanceof SkepError && error.is("UNPLACED")) {
    return `${error}\nThe tasks start when a node fits`;
  }
  if (error instanceof SkepError && error.metadata.condition === "STALLED") {
    return `${error.reason}: ${error.message}`;
  }
  return String(error);
}

const [file] = process.argv.slice(2);
if (file === undefined) {
  console.error("usage: deploy SPEC.json");
  process.exit(2);
}
const client = await connect().catch((error: unknown) => {
  console.error(String(error));
  process.exit(1);
});
try {
  await deploy(client, file);
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
} finally {
  client.close();
}
