// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect, DaemonService, LogService, ServiceService, WatchService } from "../src/index.js";
import { DEADLINE_MS, Fake, unavailable } from "./fake.js";

const options = { timeout: DEADLINE_MS };

/** The address of the package, for programs of its own. */
const INDEX = new URL("../src/index.js", import.meta.url).href;

/** A process that is held by something lives much longer, or for ever. */
const AT_ONCE_MS = 5_000;

async function folder(test: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "skep-"));
  await chmod(folder, 0o755);
  test.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** A configuration whose only context has these hosts, for XDG_CONFIG_HOME. */
async function withHosts(test: TestContext, hosts: string[]): Promise<void> {
  const home = await folder(test);
  await mkdir(join(home, "skep"));
  const config = { current: "test", contexts: { test: { hosts } } };
  await writeFile(join(home, "skep/config.json"), JSON.stringify(config));
  const before = process.env.XDG_CONFIG_HOME;
  process.env.XDG_CONFIG_HOME = home;
  test.after(() => {
    process.env.XDG_CONFIG_HOME = before ?? "";
  });
}

/** Runs a program of its own: what it printed, and how long it lived after "closed". */
async function run(program: string, ...args: string[]) {
  const argv = ["--input-type=module", "--eval", program, "--", ...args];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  let [text, closed] = ["", Number.NaN];
  child.stdout.setEncoding("utf8").on("data", (data: string) => {
    text += data;
    if (text.includes("closed")) {
      closed = performance.now();
    }
  });
  const [code] = await once(child, "close");
  return { text, code, lived: performance.now() - closed };
}

test("a missing daemon is named with all addresses", options, async (test) => {
  const none = join(await folder(test), "none.sock");
  const server = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const other = `http://127.0.0.1:${address.port}`;
  const refused = createServer().listen(0, "127.0.0.1");
  await once(refused, "listening");
  const gone = refused.address();
  assert.ok(typeof gone === "object" && gone !== null);
  refused.close();
  await once(refused, "close");
  const stale = `http://127.0.0.1:${gone.port}`;
  await withHosts(test, [`unix://${none}`, stale, other]);
  await assert.rejects(connect({ context: "test" }), {
    code: "UNAVAILABLE",
    reason: "",
    message:
      `no skep daemon answers at unix://${none} (no such socket) or ${stale} (nothing listens ` +
      `there) or ${other} (what listens there does not speak gRPC)`,
  });
});

test("the first address that answers is used", options, async (test) => {
  const fake = await Fake.start(test, (router) =>
    router.service(DaemonService, { getDaemon: () => ({ daemon: { version: "7" } }) }),
  );
  await withHosts(test, ["unix:///nonexistent/skep.sock", fake.host]);
  const client = await connect({ context: "test" });
  test.after(() => client.close());
  assert.equal(client.host, fake.host);
  assert.equal((await client.daemon.getDaemon({})).daemon?.version, "7");
});

test("a socket without permission ends the search", options, async (test) => {
  const path = join(await folder(test), "skep.sock");
  const server = createServer().listen(path);
  await once(server, "listening");
  test.after(() => server.close());
  await chmod(path, 0o600);
  const program = `
    import { chmodSync } from "node:fs";
    import { connect } from "${INDEX}";
    // Root may use every socket, so it becomes nobody.
    if (process.geteuid() === 0) process.setuid(65534);
    else chmodSync(process.argv[1], 0);
    const error = await connect({ host: "unix://" + process.argv[1] }).catch((error) => error);
    console.log(error.code, error.message);`;
  const { text } = await run(program, path);
  assert.equal(text, `PERMISSION_DENIED no permission to use unix://${path}\n`);
});

test("a signal ends the search", options, async (test) => {
  const path = join(await folder(test), "skep.sock");
  const server = createServer().listen(path); // It takes connections and says nothing.
  await once(server, "listening");
  test.after(() => server.close());
  const ending = new AbortController();
  server.on("connection", () => ending.abort());
  const { signal } = ending;
  await assert.rejects(connect({ host: `unix://${path}`, signal }), { code: "CANCELLED" });
});

test("a process ends at once after close, whatever went on", options, async (test) => {
  const fake = await Fake.start(test, (router) => {
    router.service(DaemonService, {
      getDaemon() {
        throw unavailable();
      },
    });
    router.service(LogService, {
      async *streamLogs(_, { signal }) {
        yield { lines: [{ seq: 1n }] };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    router.service(WatchService, {
      async *watch(_, { signal }) {
        yield { revision: 4n };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    router.service(ServiceService, {
      async waitService(_, { signal }) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return {};
      },
    });
  });
  const program = `
    import { connect } from "${INDEX}";
    const client = await connect({ host: process.argv[1] });
    const codes = [];
    const note = (error) => codes.push(error.code);
    const watch = client.watchTasks()[Symbol.asyncIterator]();
    await watch.next();
    await watch.next();
    watch.next().catch(note);
    const logs = client.logs.streamLogs({})[Symbol.asyncIterator]();
    await logs.next();
    logs.next().catch(note);
    for await (const _ of client.logs.streamLogs({})) break;
    client.daemon.getDaemon({}).catch(note); // Between two attempts.
    client.waitConverged({ meta: { id: "svc_1", specRevision: 1n } }, { timeoutMs: 600_000 }).catch(note);
    process.on("exit", () => console.log(codes.sort().join()));
    setImmediate(() => {
      client.close();
      console.log("closed");
    });`;
  const { text, code, lived } = await run(program, fake.host);
  assert.equal(text, "closed\nCANCELLED,CANCELLED,CANCELLED,CANCELLED\n");
  assert.equal(code, 0);
  assert.ok(lived < AT_ONCE_MS, `it lived for ${lived} ms`);
});

test("an idle client that nobody closed does not hold its process", options, async (test) => {
  const fake = await Fake.start(test, (router) =>
    router.service(DaemonService, { getDaemon: () => ({}) }),
  );
  const program = `
    import { connect } from "${INDEX}";
    const client = await connect({ host: process.argv[1] });
    await client.daemon.getDaemon({});
    console.log("closed");`;
  const { code, lived } = await run(program, fake.host);
  assert.equal(code, 0);
  assert.ok(lived < AT_ONCE_MS, `it lived for ${lived} ms`);
});
