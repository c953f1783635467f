// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.js";
import { ErrorReason, ServiceService, SkepError } from "../src/index.js";
import { connected, DEADLINE_MS, refusal } from "./fake.js";

const options = { timeout: DEADLINE_MS };

/** The error that a call ends with if the server throws this. */
async function read(test: Parameters<typeof connected>[0], thrown: ConnectError) {
  const { client } = await connected(test, (router) =>
    router.service(ServiceService, {
      getService() {
        throw thrown;
      },
    }),
  );
  const error: unknown = await client.services.getService({}).catch((error) => error);
  assert.ok(error instanceof SkepError);
  return error;
}

test("details become fields", options, async (test) => {
  const violations = [{ field: "spec.name", description: "must not be empty" }];
  const error = await read(
    test,
    refusal(Code.InvalidArgument, "INVALID_FIELD", "the request is bad", { k: "v" }, violations),
  );
  assert.ok(error.is(ErrorReason.INVALID_FIELD));
  assert.ok(error.is("INVALID_FIELD"));
  assert.ok(!error.is(ErrorReason.NAME_TAKEN));
  assert.ok(error instanceof Error);
  assert.deepEqual([error.code, error.message], ["INVALID_ARGUMENT", "the request is bad"]);
  assert.deepEqual(error.metadata, { k: "v" });
  assert.deepEqual(error.violations, violations);
  assert.equal(`${error}`, "SkepError: the request is bad\n  spec.name: must not be empty");
});

test("every reason can be asked for", () => {
  for (const reason of Object.values(ErrorReason).filter((value) => typeof value === "number")) {
    const error = new SkepError("INTERNAL", "no", { reason: ErrorReason[reason] ?? "" });
    assert.ok(error.is(reason));
  }
});

test("an error without our details has no reason", options, async (test) => {
  const value = create(ErrorInfoSchema, { reason: "X", domain: "example.com" });
  const details = [{ desc: ErrorInfoSchema, value }];
  const error = await read(test, new ConnectError("", Code.Internal, undefined, details));
  assert.deepEqual([error.reason, error.metadata], ["", {}]);
  assert.equal(error.message, "INTERNAL", "it says something");
});
