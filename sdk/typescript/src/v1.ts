// SPDX-License-Identifier: Apache-2.0

// The messages, enums and services of the API, generated from the contract.

export * from "./gen/skep/v1/daemon_pb.js";
export * from "./gen/skep/v1/endpoint_pb.js";
export * from "./gen/skep/v1/error_pb.js";
export * from "./gen/skep/v1/log_pb.js";
export * from "./gen/skep/v1/node_pb.js";
export * from "./gen/skep/v1/options_pb.js";
export * from "./gen/skep/v1/placement_pb.js";
export * from "./gen/skep/v1/rollout_pb.js";
export * from "./gen/skep/v1/service_pb.js";
export * from "./gen/skep/v1/swarm_pb.js";
export * from "./gen/skep/v1/task_pb.js";
export * from "./gen/skep/v1/template_pb.js";
export * from "./gen/skep/v1/types_pb.js";
export * from "./gen/skep/v1/watch_pb.js";
