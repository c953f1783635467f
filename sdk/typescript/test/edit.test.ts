// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { clone, create, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  EveryNodeSchema,
  NodeSchema,
  NodeService,
  NodeSpec_Availability,
  type Replicated,
  ReplicatedSchema,
  ServiceService,
  type ServiceSpec,
  ServiceSpecSchema,
  SwarmSchema,
  SwarmService,
  type UpdateServiceRequest,
} from "../src/index.js";
import { type Difference, diff } from "../src/mask.js";
import { connected, DEADLINE_MS, type Routes, refusal, service } from "./fake.js";

const options = { timeout: DEADLINE_MS };

/** A server that loses a number of races against another editor before it takes an update. */
function raced(races: number): {
  routes: Routes;
  updates: UpdateServiceRequest[];
  reads: string[];
} {
  const updates: UpdateServiceRequest[] = [];
  const reads: string[] = [];
  const present = () => {
    const labels = { other: `${updates.length}` };
    const mode = { case: "replicated", value: { replicas: 2 } } as const;
    const spec = { name: "web", labels, mode };
    return service("svc_1", 10n + BigInt(updates.length), { spec });
  };
  const routes: Routes = (router) =>
    router.service(ServiceService, {
      getService(request) {
        reads.push(request.service);
        return { service: present(), revision: 30n };
      },
      updateService(request) {
        updates.push(request);
        if (updates.length <= races) {
          throw refusal(Code.Aborted, "SPEC_REVISION_MISMATCH");
        }
        return { service: present(), revision: 31n };
      },
    });
  return { routes, updates, reads };
}

function scale(spec: ServiceSpec): void {
  spec.mode = { case: "replicated", value: replicas(5) };
}

function replicas(replicas: number): Replicated {
  return create(ReplicatedSchema, { replicas });
}

test("an edit sends what was changed, for the spec that was read", options, async (test) => {
  const { routes, updates, reads } = raced(0);
  const { client } = await connected(test, routes);
  const edited = await client.editService("web", scale);
  assert.deepEqual([edited.changed, edited.revision], [true, 31n]);
  const [update] = updates;
  assert.deepEqual(reads, ["web"]);
  assert.equal(update?.service, "svc_1");
  assert.equal(update.ifSpecRevision, 10n);
  assert.deepEqual(update.updateMask?.paths, ["replicated.replicas"]);
  assert.deepEqual(update.spec?.mode.value, replicas(5));
  assert.deepEqual([update.spec.name, update.spec.labels], ["", {}], "and nothing else is sent");
});

test("an edit that loses a race begins again on the newest spec", options, async (test) => {
  const { routes, updates } = raced(2);
  const { client } = await connected(test, routes);
  const seen: (string | undefined)[] = [];
  const { object } = await client.editService("web", async (spec) => {
    seen.push(spec.labels.other);
    scale(spec);
  });
  assert.deepEqual(seen, ["0", "1", "2"]);
  assert.equal(object.spec?.labels.other, "3");
  const revisions = updates.map((update) => update.ifSpecRevision);
  assert.deepEqual(revisions, [10n, 11n, 12n]);
  assert.equal(new Set(updates.map((update) => update.requestId)).size, 3);
});

test("an edit gives up after ten lost races", options, async (test) => {
  const { routes, updates } = raced(100);
  const { client } = await connected(test, routes);
  const error = { code: "ABORTED", reason: "SPEC_REVISION_MISMATCH" };
  await assert.rejects(client.editService("web", scale), error);
  assert.equal(updates.length, 10);
});

test(
  "an edit that changes nothing is no call, and what it throws is thrown",
  options,
  async (test) => {
    const { routes, updates } = raced(0);
    const { client } = await connected(test, routes);
    const edited = await client.editService("web", () => undefined);
    assert.deepEqual([edited.changed, edited.revision], [false, 30n]);
    const change = () => {
      throw new RangeError("not so");
    };
    await assert.rejects(client.editService("web", change), { message: "not so" });
    assert.equal(updates.length, 0);
  },
);

test("nodes and the swarm are edited alike", options, async (test) => {
  const paths: string[] = [];
  const { client } = await connected(test, (router) => {
    router.service(NodeService, {
      getNode: ({ node }) => ({ node: create(NodeSchema, { meta: { id: `nod_${node}` } }) }),
      updateNode({ node, spec, updateMask }) {
        paths.push(node, ...(updateMask?.paths ?? []));
        return { node: { spec: spec ?? {} }, revision: 2n };
      },
    });
    router.service(SwarmService, {
      getSwarm: () => ({ swarm: create(SwarmSchema, { spec: { name: "old" } }) }),
      updateSwarm({ spec, updateMask }) {
        paths.push(...(updateMask?.paths ?? []));
        return { swarm: { spec: spec ?? {} }, revision: 3n };
      },
    });
  });
  const node = await client.editNode("7", (spec) => {
    spec.availability = NodeSpec_Availability.DRAIN;
  });
  assert.equal(node.object.spec?.availability, NodeSpec_Availability.DRAIN);
  const swarm = await client.editSwarm((spec) => {
    spec.name = "new";
  });
  assert.deepEqual([swarm.object.spec?.name, swarm.revision], ["new", 3n]);
  assert.deepEqual(paths, ["nod_7", "availability", "name"]);
});

/** What a change of this spec sends. */
function sent(change: (spec: ServiceSpec) => void): Difference<ServiceSpec> {
  const spec = () =>
    create(ServiceSpecSchema, {
      name: "web",
      mode: { case: "replicated", value: { replicas: 2 } },
      template: {
        workload: { case: "process", value: { command: ["/bin/a"] } },
        restart: { delay: { seconds: 1n } },
      },
    });
  const after = spec();
  change(after);
  return diff(ServiceSpecSchema, spec(), after);
}

/** The paths that it names. */
function paths(change: (spec: ServiceSpec) => void): string[] {
  return sent(change).paths;
}

test("equal messages have no paths", () => {
  assert.deepEqual(
    paths(() => undefined),
    [],
  );
});

test("scalars, lists and maps are named where they are", () => {
  const changed = paths((spec) => {
    spec.labels.a = "b";
    spec.mode = { case: "replicated", value: replicas(0) };
    const workload = spec.template?.workload;
    assert.ok(spec.template && workload?.case === "process");
    workload.value.args.push("x");
    workload.value.env.K = "V";
    spec.template.restartToken = "1";
  });
  assert.deepEqual(changed, [
    "labels",
    "replicated.replicas",
    "template.process.args",
    "template.process.env",
    "template.restart_token",
  ]);
});

test("messages that come and go, and well-known ones, are taken whole", () => {
  const both = paths((spec) => {
    assert.ok(spec.template);
    delete spec.template.restart;
    spec.endpoint = create(ServiceSpecSchema, { endpoint: { ports: [{ target: 80 }] } }).endpoint;
  });
  assert.deepEqual(both, ["template.restart", "endpoint"]);
  const mode = paths((spec) => {
    spec.mode = { case: "everyNode", value: create(EveryNodeSchema) };
  });
  assert.deepEqual(mode, ["replicated", "every_node"]);
  const delay = paths((spec) => {
    assert.ok(spec.template?.restart?.delay);
    spec.template.restart.delay.seconds = 2n;
  });
  assert.deepEqual(delay, ["template.restart.delay"]);
});

test("what is sent has only what is named, as the change left it", () => {
  const { paths, sparse } = sent((spec) => {
    const workload = spec.template?.workload;
    assert.ok(spec.template && workload?.case === "process");
    delete spec.template.restart;
    workload.value.args.push("x");
    spec.labels.a = "b";
  });
  assert.deepEqual(paths, ["labels", "template.process.args", "template.restart"]);
  assert.deepEqual(toJson(ServiceSpecSchema, sparse), {
    labels: { a: "b" },
    template: { process: { args: ["x"] } },
  });
});

test("what a later release wrote into a list that is changed is sent back", () => {
  const later = [{ no: 20_000, wireType: 0, data: new Uint8Array([1]) }];
  const before = create(ServiceSpecSchema, { endpoint: { ports: [{ target: 80 }, {}] } });
  before.$unknown = later;
  for (const port of before.endpoint?.ports ?? []) {
    port.$unknown = later;
  }
  const after = clone(ServiceSpecSchema, before);
  assert.ok(after.endpoint?.ports[0]);
  after.endpoint.ports[0].target = 81;
  const { paths, sparse } = diff(ServiceSpecSchema, before, after);
  assert.deepEqual(paths, ["endpoint.ports"]);
  assert.deepEqual(
    sparse.endpoint?.ports.map((port) => [port.target, port.$unknown]),
    [
      [81, later],
      [0, later],
    ],
  );
  assert.equal(sparse.$unknown, undefined, "but not what is elsewhere");
});
