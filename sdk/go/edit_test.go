// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

// stored is a service as GetService gives it.
func stored(specRevision uint64, replicas uint32) *skepv1.GetServiceResponse {
	return &skepv1.GetServiceResponse{
		Revision: specRevision + 100,
		Service: &skepv1.Service{
			Meta: &skepv1.Meta{Id: "svc_1", SpecRevision: specRevision},
			Spec: spec(replicas),
		},
	}
}

func spec(replicas uint32) *skepv1.ServiceSpec {
	return &skepv1.ServiceSpec{
		Name: "web",
		Mode: &skepv1.ServiceSpec_Replicated{Replicated: &skepv1.Replicated{Replicas: &replicas}},
		Template: &skepv1.TaskTemplate{
			Workload: &skepv1.TaskTemplate_Process{Process: &skepv1.Process{Command: []string{"/bin/a"}}},
			Restart:  &skepv1.RestartPolicy{Delay: durationpb.New(time.Second)},
		},
	}
}

func TestAnEditSendsWhatDiffersForWhatWasRead(t *testing.T) {
	f := start(t)
	f.gets.answer(stored(7, 2))
	f.gets.answer(stored(9, 5))
	f.updates.fail(refusal(codes.Aborted, "SPEC_REVISION_MISMATCH", nil))
	f.updates.answer(&skepv1.UpdateServiceResponse{
		Service: &skepv1.Service{Meta: &skepv1.Meta{Id: "svc_1", SpecRevision: 10}}, Revision: 10,
	})
	edited, err := f.client(t).EditService(limited(t), "web", func(spec *skepv1.ServiceSpec) {
		spec.GetReplicated().Replicas = proto.Uint32(spec.GetReplicated().GetReplicas() + 1)
	})
	if err != nil || !edited.Changed || edited.Revision != 10 || edited.Object.GetMeta().GetSpecRevision() != 10 {
		t.Fatal(edited, err)
	}
	asked := f.updates.requests()
	if len(asked) != 2 || asked[0].GetIfSpecRevision() != 7 || asked[1].GetIfSpecRevision() != 9 {
		t.Fatal(asked)
	}
	last, six := asked[1], uint32(6)
	want := &skepv1.ServiceSpec{
		Mode: &skepv1.ServiceSpec_Replicated{Replicated: &skepv1.Replicated{Replicas: &six}},
	}
	if last.GetService() != "svc_1" || !proto.Equal(last.GetSpec(), want) ||
		!slices.Equal(last.GetUpdateMask().GetPaths(), []string{"replicated.replicas"}) {
		t.Error(last)
	}
	if asked[0].GetRequestId() == last.GetRequestId() {
		t.Error("two different changes had one request_id")
	}
}

func TestFieldsOfALaterReleaseAreNeitherSentNorLost(t *testing.T) {
	// A field that is a number, and that nobody here knows.
	unknown := protoreflect.RawFields{0xf8, 0xff, 0x03, 0x01}
	later := stored(7, 2)
	later.Service.Spec.ProtoReflect().SetUnknown(unknown)
	later.Service.Spec.Template.ProtoReflect().SetUnknown(unknown)
	later.Service.Spec.Endpoint = &skepv1.EndpointSpec{Ports: []*skepv1.Port{{Target: 80}}}
	later.Service.Spec.Endpoint.Ports[0].ProtoReflect().SetUnknown(unknown)
	f := start(t)
	f.gets.answer(later)
	f.updates.answer(&skepv1.UpdateServiceResponse{})
	client := f.client(t)
	sent := func(change func(*skepv1.ServiceSpec)) *skepv1.ServiceSpec {
		t.Helper()
		if _, err := client.EditService(limited(t), "web", change); err != nil {
			t.Fatal(err)
		}
		asked := f.updates.requests()
		return asked[len(asked)-1].GetSpec()
	}
	spec := sent(func(spec *skepv1.ServiceSpec) { spec.Template.RestartToken = "1" })
	if want := (&skepv1.ServiceSpec{Template: &skepv1.TaskTemplate{RestartToken: "1"}}); !proto.Equal(spec, want) {
		t.Error(spec)
	}
	// A list is sent whole, with all that is in its items.
	spec = sent(func(spec *skepv1.ServiceSpec) { spec.Endpoint.Ports[0].Target = 81 })
	want := &skepv1.Port{Target: 81}
	want.ProtoReflect().SetUnknown(unknown)
	if ports := spec.GetEndpoint().GetPorts(); len(ports) != 1 || !proto.Equal(ports[0], want) ||
		spec.GetTemplate() != nil || len(spec.ProtoReflect().GetUnknown()) > 0 {
		t.Error(spec)
	}
}

func TestAnEditThatChangesNothingSendsNothing(t *testing.T) {
	f := start(t)
	f.gets.answer(stored(7, 2))
	edited, err := f.client(t).EditService(limited(t), "web", func(*skepv1.ServiceSpec) {})
	if err != nil || edited.Changed || edited.Revision != 107 || edited.Object.GetMeta().GetId() != "svc_1" {
		t.Error(edited, err)
	}
	if asked := f.updates.requests(); len(asked) != 0 {
		t.Error(asked)
	}
}

func TestAnEditGivesUp(t *testing.T) {
	f := start(t)
	f.gets.answer(stored(7, 2))
	f.updates.fail(refusal(codes.Aborted, "SPEC_REVISION_MISMATCH", nil))
	client := f.client(t)
	scale := func(spec *skepv1.ServiceSpec) { spec.GetReplicated().Replicas = proto.Uint32(9) }
	_, err := client.EditService(limited(t), "web", scale)
	if !IsReason(err, "SPEC_REVISION_MISMATCH") || len(f.updates.requests()) != 10 {
		t.Error(err, len(f.updates.requests()))
	}
	// The script's last answer stays until there is another.
	f.updates.fail(refusal(codes.FailedPrecondition, "OBJECT_DELETING", nil))
	_, err = client.EditService(limited(t), "web", scale)
	if !IsReason(err, "OBJECT_DELETING") || len(f.updates.requests()) != 12 {
		t.Error(err, len(f.updates.requests()))
	}
}

func TestAMaskNamesWhatDiffers(t *testing.T) {
	for _, test := range []struct {
		change func(*skepv1.ServiceSpec)
		want   []string
	}{
		{func(*skepv1.ServiceSpec) {}, nil},
		{func(s *skepv1.ServiceSpec) {
			s.Labels = map[string]string{"a": "b"}
			s.GetReplicated().Replicas = proto.Uint32(0)
			s.Template.GetProcess().Args = []string{"x"}
			s.Template.GetProcess().Env = map[string]string{"K": "V"}
			s.Template.RestartToken = "1"
		}, []string{
			"labels", "replicated.replicas", "template.process.args", "template.process.env", "template.restart_token",
		}},
		{func(s *skepv1.ServiceSpec) {
			s.Endpoint = &skepv1.EndpointSpec{Ports: []*skepv1.Port{{}}}
			s.Template.Restart = nil
		}, []string{"template.restart", "endpoint"}},
		{func(s *skepv1.ServiceSpec) {
			s.Mode = &skepv1.ServiceSpec_EveryNode{EveryNode: &skepv1.EveryNode{}}
		}, []string{"replicated", "every_node"}},
		{func(s *skepv1.ServiceSpec) {
			s.Template.Restart.Delay = durationpb.New(2 * time.Second)
		}, []string{"template.restart.delay"}},
	} {
		after := spec(2)
		test.change(after)
		got := diff(spec(2).ProtoReflect(), after.ProtoReflect(), new(skepv1.ServiceSpec).ProtoReflect(), "")
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("%q, not %q", got, test.want)
		}
	}
}
