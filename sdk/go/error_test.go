// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"fmt"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestDetailsBecomeFields(t *testing.T) {
	made, err := status.New(codes.InvalidArgument, "the request is bad").WithDetails(
		&errdetails.ErrorInfo{Reason: "INVALID_FIELD", Domain: "skep", Metadata: map[string]string{"k": "v"}},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "spec.name", Description: "must not be empty"},
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	failed := read(made.Err(), "unix:///x")
	if !IsReason(fmt.Errorf("wrapped: %w", failed), "INVALID_FIELD") || IsReason(failed, "NAME_TAKEN") {
		t.Error(failed.Reason)
	}
	if failed.Code != codes.InvalidArgument || failed.Metadata["k"] != "v" ||
		failed.Violations[0] != (Violation{Field: "spec.name", Description: "must not be empty"}) {
		t.Errorf("%+v", failed)
	}
	if text := failed.Error(); text != "the request is bad\n  spec.name: must not be empty" {
		t.Error(text)
	}
}

func TestAReasonOfAnotherDomainIsNotOurs(t *testing.T) {
	made, err := status.New(codes.NotFound, "").WithDetails(
		&errdetails.ErrorInfo{Reason: "X", Domain: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	failed := read(made.Err(), "unix:///x")
	if failed.Reason != "" || failed.Error() != "NotFound" {
		t.Errorf("%+v: %s", failed, failed)
	}
}

func TestWordsOfGRPCAreTakenOff(t *testing.T) {
	for message, want := range map[string]string{
		`connection error: desc = "transport: Error while dialing: dial unix /x: connect: no such file"`: "dial unix /x: connect: no such file",
		`error reading from server: EOF`:              "EOF",
		`grpc: the client connection is closing`:      "the client connection is closing",
		`something else`:                              "something else",
		`stream terminated by RST_STREAM with code 2`: "stream terminated by RST_STREAM with code 2",
	} {
		if got := plain(message); got != want {
			t.Errorf("%s: %s", message, got)
		}
	}
}
