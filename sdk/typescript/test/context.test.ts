// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { chooseHosts } from "../src/context.js";

const ROOT = "unix:///run/skep/skep.sock";

/** The folder of a configuration with this text, for XDG_CONFIG_HOME. */
async function config(test: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "skep-"));
  test.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "skep"));
  await writeFile(join(folder, "skep/config.json"), text);
  return folder;
}

test("the user's own socket comes before root's", async () => {
  const choose = (env: Record<string, string>, isRoot: boolean) => chooseHosts({}, env, isRoot);
  const own = "unix:///h/.local/share/skep/skep.sock";
  assert.deepEqual(await choose({ HOME: "/h" }, false), [own, ROOT]);
  const run = { HOME: "/h", XDG_RUNTIME_DIR: "/run/user/7" };
  assert.deepEqual(await choose(run, false), ["unix:///run/user/7/skep/skep.sock", ROOT]);
  assert.deepEqual(await choose(run, true), [ROOT]);
  assert.deepEqual(await choose({}, false), [ROOT]);
  assert.deepEqual(await choose({ HOME: "", XDG_RUNTIME_DIR: "" }, false), [ROOT]);
});

test("what is given beats the environment, and that beats the file", async (test) => {
  const folder = await config(
    test,
    `{"current": "prod", "contexts": {
      "prod": {"hosts": ["http://10.0.0.1:2378", "http://10.0.0.2:2378"]},
      "test": {"hosts": ["unix:///tmp/t.sock"]}}}`,
  );
  const file = { XDG_CONFIG_HOME: folder };
  const prod = ["http://10.0.0.1:2378", "http://10.0.0.2:2378"];
  const withContext = { ...file, SKEP_CONTEXT: "test" };
  const withHost = { ...withContext, SKEP_HOST: "http://h:1" };
  const empty = { ...file, SKEP_CONTEXT: "", SKEP_HOST: "" };
  for (const [given, env, hosts] of [
    [{}, file, prod],
    [{}, empty, prod],
    [{}, withContext, ["unix:///tmp/t.sock"]],
    [{}, withHost, ["http://h:1"]],
    [{ context: "prod" }, withHost, prod],
    [{ host: "unix:///x", context: "prod" }, withHost, ["unix:///x"]],
    [{ host: "", context: "" }, withHost, ["http://h:1"]],
    [{ context: "default" }, withHost, [ROOT]],
  ] as const) {
    assert.deepEqual(await chooseHosts(given, env, true), hosts);
  }
});

test("what is wrong with the file is said with its path", async (test) => {
  for (const [text, words] of [
    ["{", "JSON"],
    ["[]", "the file must be an object"],
    [`{"current": 7}`, "current must be the name of a context"],
    [
      `{"contexts": {"a": {"hosts": "http://h:1"}}}`,
      "contexts.a.hosts must be a list of addresses",
    ],
  ] as const) {
    const folder = await config(test, text);
    const env = { XDG_CONFIG_HOME: folder };
    await assert.rejects(chooseHosts({}, env, true), (error: Error) => {
      assert.ok(
        error.message.startsWith(`cannot read ${folder}/skep/config.json: `),
        error.message,
      );
      assert.ok(error.message.includes(words), error.message);
      return true;
    });
  }
});

test("a context that is not there is named with those that are", async (test) => {
  const folder = await config(
    test,
    `{"contexts": {"prod": {"hosts": ["tcp://h:2377"]}, "none": {}}}`,
  );
  const env = { XDG_CONFIG_HOME: folder };
  for (const [context, words] of [
    ["pord", 'there is no context "pord" in the configuration; there is: none, prod'],
    ["none", 'the context "none" of the configuration has no hosts'],
    ["prod", 'bad host "tcp://h:2377": write http://h:2377 for a dev address'],
  ] as const) {
    const error = { code: "INVALID_ARGUMENT", message: words };
    await assert.rejects(chooseHosts({ context }, env, true), error);
  }
});

test("hosts are checked before they are tried", async () => {
  const choose = (host: string) => chooseHosts({ host }, {}, true);
  const longest = `unix:///${"x".repeat(106)}`;
  assert.deepEqual(await choose(longest), [longest]);
  assert.deepEqual(await choose("http://[::1]:2378/"), ["http://[::1]:2378/"]);
  for (const [host, cure] of [
    [`${longest}x`, "is 108 bytes long, over the 107"],
    ["/run/skep.sock", "write unix:///run/skep.sock"],
    ["unix://run/skep.sock", "must be absolute"],
    ["https://h:2377", "TLS is not there yet"],
    ["http://", "the address is missing"],
    ["http://h:port", "expected http://host:port"],
    ["http://h:1/path", "expected http://host:port"],
    ["http://h:1?query", "expected http://host:port"],
    ["http://user@h:1", "expected http://host:port"],
    ["localhost:2378", "expected unix:///path"],
  ] as const) {
    await assert.rejects(choose(host), (error: Error) => {
      assert.ok(error.message.startsWith(`bad host "${host}": `), error.message);
      assert.ok(error.message.includes(cure), error.message);
      return true;
    });
  }
});
