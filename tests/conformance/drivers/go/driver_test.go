// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

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

func TestWhatIsBesideAMemberStays(t *testing.T) {
	// A field that is a number, and that nobody here knows.
	unknown := protoreflect.RawFields{0xf8, 0xff, 0x03, 0x01}
	spec := &skepv1.ServiceSpec{
		Labels:   map[string]string{"a": "1", "b": "1"},
		Endpoint: &skepv1.EndpointSpec{Ports: []*skepv1.Port{{Target: 80}}},
	}
	spec.ProtoReflect().SetUnknown(unknown)
	spec.Endpoint.Ports[0].ProtoReflect().SetUnknown(unknown)
	want := proto.CloneOf(spec)
	want.Labels = map[string]string{"b": "2"}
	want.Endpoint.Ports[0].Target = 81
	change[*skepv1.ServiceSpec](map[string]json.RawMessage{
		"labels.a": json.RawMessage("null"), "labels.b": json.RawMessage(`"2"`),
		"endpoint.ports.0.target": json.RawMessage("81"),
	})(spec)
	if !proto.Equal(spec, want) {
		t.Errorf("%v, not %v", spec, want)
	}
}

func TestPathsThatLeadNowhereAreRefused(t *testing.T) {
	spec := &skepv1.ServiceSpec{Endpoint: &skepv1.EndpointSpec{Ports: []*skepv1.Port{{}}}}
	for _, path := range []string{
		"nothing", "template.nothing", "labels.a.b", "endpoint.ports.0", "endpoint.ports.1.target", "endpoint.ports.x.target",
	} {
		if err := setIn(spec.ProtoReflect(), strings.Split(path, "."), json.RawMessage("1")); err == nil {
			t.Error(path)
		}
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
