// SPDX-License-Identifier: Apache-2.0

// Writes what is wanted of all services to a file, and brings it back.
//
//   backup save FILE        all services as they were at one revision
//   backup restore FILE     make each service what the file says; others are left as they are

import { readFile, writeFile } from "node:fs/promises";
import { type Client, connect, fromJson, ServiceSpecSchema, toJson } from "@skep/client";

/** Writes a spec a line, in proto JSON. */
async function save(client: Client, file: string): Promise<void> {
  const lines: string[] = [];
  let pageToken = "";
  let revision = 0n;
  do {
    const page = await client.services.listServices({ pageToken });
    for (const { spec } of page.services) {
      lines.push(spec ? `${JSON.stringify(toJson(ServiceSpecSchema, spec))}\n` : "");
    }
    ({ nextPageToken: pageToken, revision } = page);
  } while (pageToken !== "");
  await writeFile(file, lines.join(""), { mode: 0o600 });
  console.log(`${lines.length} services as of revision ${revision}`);
}

async function restore(client: Client, file: string): Promise<void> {
  const lines = (await readFile(file, "utf8")).split("\n");
  for (const line of lines.filter((line) => line !== "")) {
    const spec = fromJson(ServiceSpecSchema, JSON.parse(line));
    await client.services.updateService({ spec, allowMissing: true });
    console.log(`${spec.name} is restored`);
  }
}

const [verb, file] = process.argv.slice(2);
const work = verb === "save" ? save : verb === "restore" ? restore : undefined;
if (work === undefined || file === undefined) {
  console.error("usage: backup save|restore FILE");
  process.exit(2);
}
const client = await connect().catch((error: unknown) => {
  console.error(String(error));
  process.exit(1);
});
try {
  await work(client, file);
} catch (error) {
  console.error(String(error));
  process.exitCode = 1;
} finally {
  client.close();
}
