// SPDX-License-Identifier: Apache-2.0

// Package skep is the client of skep, a container orchestrator whose product is its gRPC API.
//
// A [Client] is one connection to a daemon. Its fields are the generated stubs of the API, and
// [skep.dev/skep/sdk/go/skep/v1] holds their messages. Under the stubs every change gets a
// request_id, every call a deadline, and what failed for want of a connection is repeated, so
// that each change happens once. Beside them there are a watch that does not end
// ([Client.WatchTasks]), waiting for a service ([Client.WaitConverged]) and editing what others
// edit too ([Client.EditService]). What fails is an [Error].
package skep
