// SPDX-License-Identifier: Apache-2.0

// Sets a variable of the environment of a service, one task after the other, and goes back if
// the new tasks fail.
//
//   rolling_update SERVICE NAME=VALUE

import {
  type Client,
  connect,
  create,
  durationFromMs,
  SkepError,
  UpdatePolicy_OnFailure,
  UpdatePolicySchema,
} from "@skep/client";

async function update(client: Client, name: string, variable: string, value: string) {
  // If someone else changes the service meanwhile, this runs again on what they wrote.
  const edited = await client.editService(name, (spec) => {
    spec.update ??= create(UpdatePolicySchema);
    spec.update.parallelism = 1;
    spec.update.monitor = durationFromMs(2_000);
    spec.update.onFailure = UpdatePolicy_OnFailure.ROLLBACK;
    const workload = spec.template?.workload.value;
    if (workload !== undefined) {
      workload.env[variable] = value;
    }
  });
  if (!edited.changed) {
    console.log(`${name} has that already`);
    return;
  }
  await client.waitConverged(edited.object, { timeoutMs: 600_000 });
  console.log(`${name} is updated`);
}

const [name, assignment] = process.argv.slice(2);
const [, variable, value] = /^([^=]+)=(.*)$/s.exec(assignment ?? "") ?? [];
if (name === undefined || variable === undefined || value === undefined) {
  console.error("usage: rolling_update SERVICE NAME=VALUE");
  process.exit(2);
}
const client = await connect().catch((error: unknown) => {
  console.error(String(error));
  process.exit(1);
});
try {
  await update(client, name, variable, value);
} catch (error) {
  const isBack = error instanceof SkepError && error.is("ROLLED_BACK");
  const words = isBack ? "the tasks failed and are what they were before: " : "";
  console.error(`${words}${error}`);
  process.exitCode = 1;
} finally {
  client.close();
}
