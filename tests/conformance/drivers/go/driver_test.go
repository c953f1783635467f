// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"skep.dev/skep/sdk/go"
	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

func TestMembersAreSetByTheirPaths(t *testing.T) {
	spec := &skepv1.ServiceSpec{Name: "web", Labels: map[string]string{"a": "b"}}
	change[*skepv1.ServiceSpec](map[string]json.RawMessage{
		"replicated.replicas":                   json.RawMessage("3"),
		"labels":                                json.RawMessage("null"),
		"template.process.env.KEY":              json.RawMessage(`"value"`),
		"template.placement.maxReplicasPerNode": json.RawMessage("1"),
		"template.placement.requirements":       json.RawMessage(`[{"key": "node.name"}]`),
	})(spec)
	want := &skepv1.ServiceSpec{
		Name: "web",
		Mode: &skepv1.ServiceSpec_Replicated{Replicated: &skepv1.Replicated{Replicas: proto.Uint32(3)}},
		Template: &skepv1.TaskTemplate{
			Workload: &skepv1.TaskTemplate_Process{
				Process: &skepv1.Process{Env: map[string]string{"KEY": "value"}},
			},
			Placement: &skepv1.Placement{
				MaxReplicasPerNode: 1, Requirements: []*skepv1.Requirement{{Key: "node.name"}},
			},
		},
	}
	if !proto.Equal(spec, want) {
		t.Errorf("%v, not %v", spec, want)
	}
}

func TestErrorsAreToldByTheirCanonicalNames(t *testing.T) {
	told := tell(fmt.Errorf("wrapped: %w", &skep.Error{Code: codes.Canceled, Message: "ended"}))
	text, err := json.Marshal(told)
	want := `{"code":"CANCELLED","reason":"","message":"ended","metadata":{},"violations":[]}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
	if told := tell(errors.New("no op")); told.Code != "UNKNOWN" || told.Message != "no op" {
		t.Error(told)
	}
}
