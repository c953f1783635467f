// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

func TestARepeatedChangeKeepsItsRequestID(t *testing.T) {
	f := start(t)
	f.creates.fail(refusal(codes.Unavailable, "NO_QUORUM", nil))
	f.creates.fail(refusal(codes.Unavailable, "NO_QUORUM", nil))
	f.creates.answer(&skepv1.CreateServiceResponse{Revision: 7})
	request := &skepv1.CreateServiceRequest{Spec: &skepv1.ServiceSpec{Name: "web"}}
	client := f.client(t)
	answer, err := client.Services.CreateService(limited(t), request)
	if err != nil || answer.GetRevision() != 7 {
		t.Fatal(answer, err)
	}
	if _, err := client.Services.CreateService(limited(t), request); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, asked := range f.creates.requests() {
		ids = append(ids, asked.GetRequestId())
	}
	if len(ids) != 4 || len(ids[0]) != 26 || ids[0] != ids[1] || ids[0] != ids[2] {
		t.Errorf("three attempts and another call had the ids %q", ids)
	}
	if ids[3] == ids[0] {
		t.Error("another call with the same message is another change")
	}
	if request.GetRequestId() != "" {
		t.Error("the caller's message was changed")
	}
}

func TestARequestIDOfTheCallerStays(t *testing.T) {
	f := start(t)
	f.creates.answer(&skepv1.CreateServiceResponse{})
	request := &skepv1.CreateServiceRequest{RequestId: "mine"}
	if _, err := f.client(t).Services.CreateService(limited(t), request); err != nil {
		t.Fatal(err)
	}
	if asked := f.creates.requests(); asked[0].GetRequestId() != "mine" {
		t.Error(asked)
	}
}

func TestOnlyUnavailableIsRepeatedAndNotForEver(t *testing.T) {
	f := start(t)
	f.creates.fail(refusal(codes.Aborted, "REQUEST_ID_REUSED", nil))
	f.inits.fail(refusal(codes.Unavailable, "MANAGER_NOT_READY", nil))
	f.gets.fail(refusal(codes.Unavailable, "NO_QUORUM", nil))
	client := f.client(t)
	_, err := client.Services.CreateService(limited(t), &skepv1.CreateServiceRequest{})
	if !IsReason(err, "REQUEST_ID_REUSED") || len(f.creates.requests()) != 1 {
		t.Error(err, f.creates.requests())
	}
	// Founding a swarm twice is not founding it once.
	_, err = client.Daemon.InitSwarm(limited(t), &skepv1.InitSwarmRequest{})
	if !IsReason(err, "MANAGER_NOT_READY") || len(f.inits.requests()) != 1 {
		t.Error(err, f.inits.requests())
	}
	_, err = client.Services.GetService(limited(t), &skepv1.GetServiceRequest{})
	if !IsReason(err, "NO_QUORUM") || len(f.gets.requests()) != 5 {
		t.Error(err, f.gets.requests())
	}
	if err.Error() != "refused: NO_QUORUM" {
		t.Errorf("after the last attempt the server's words are %q", err)
	}
}

func TestACallOutlivesARestartOfTheDaemon(t *testing.T) {
	f := start(t)
	f.creates.answer(&skepv1.CreateServiceResponse{})
	client := f.client(t)
	f.server.Stop()
	f.serve(t)
	_, err := client.Services.CreateService(limited(t), &skepv1.CreateServiceRequest{})
	if err != nil {
		t.Fatal(err)
	}
	f.server.Stop()
	_, err = client.Services.CreateService(limited(t), &skepv1.CreateServiceRequest{})
	lost := failure(t, err)
	want := "the connection to unix://" + f.socket + " is lost: dial unix " + f.socket +
		": connect: no such file or directory"
	if lost.Code != codes.Unavailable || lost.Reason != "" || lost.Error() != want {
		t.Errorf("%v %q: %s", lost.Code, lost.Reason, lost)
	}
	// However long it was away, it is found again soon after.
	f.serve(t)
	for ctx := limited(t); err != nil; {
		if _, err = client.Services.CreateService(ctx, &skepv1.CreateServiceRequest{}); ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryCallHasADeadline(t *testing.T) {
	f := start(t)
	f.creates.answer(&skepv1.CreateServiceResponse{})
	client := f.client(t)
	asked := func(ctx context.Context) time.Duration {
		if _, err := client.Services.CreateService(ctx, &skepv1.CreateServiceRequest{}); err != nil {
			t.Fatal(err)
		}
		return f.allowed()
	}
	if given := asked(context.Background()); given > 60*time.Second || given < 30*time.Second {
		t.Errorf("without a deadline the server is given %v", given)
	}
	if given := asked(limited(t)); given > patience {
		t.Errorf("with a deadline of %v the server is given %v", patience, given)
	}
	// A wait keeps the time that its request says.
	f.waits.answer(&skepv1.WaitServiceResponse{})
	if _, err := client.Services.WaitService(context.Background(), &skepv1.WaitServiceRequest{}); err != nil {
		t.Fatal(err)
	}
	if given := f.allowed(); given != 0 {
		t.Errorf("to wait the server is given %v", given)
	}
	waits := methods(func(options *descriptorpb.MethodOptions) bool {
		return proto.GetExtension(options, skepv1.E_Waits).(bool)
	})
	if want := strings.ReplaceAll(skepv1.ServiceService_WaitService_FullMethodName[1:], "/", "."); !slices.Equal(waits, []string{want}) {
		t.Errorf("methods that wait are %q", waits)
	}
}

func TestWhatTheCallerEndsIsToldSo(t *testing.T) {
	client := start(t).client(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := client.Services.GetService(ctx, &skepv1.GetServiceRequest{})
	if failure(t, err).Code != codes.Canceled || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	stream, err := client.Watches.Watch(ctx, &skepv1.WatchRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if failure(t, err).Code != codes.DeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestThePolicyIsThatOfAllSDKs(t *testing.T) {
	original, err := os.ReadFile("../service_config.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(original) != serviceConfig {
		t.Error("sdk/go/service_config.json differs from sdk/service_config.json: copy it")
	}
	var config struct {
		MethodConfig []struct {
			Name []struct {
				Service, Method string
			}
			RetryPolicy *struct {
				InitialBackoff, MaxBackoff string
				BackoffMultiplier          float64
			}
		}
	}
	if err := json.Unmarshal(original, &config); err != nil {
		t.Fatal(err)
	}
	policy := config.MethodConfig[0].RetryPolicy
	if policy.InitialBackoff != "0.1s" || policy.MaxBackoff != "2s" || policy.BackoffMultiplier != 2 {
		t.Errorf("watches wait by another policy: %+v", policy)
	}
	var once []string
	for _, name := range config.MethodConfig[1].Name {
		once = append(once, name.Service+"."+name.Method)
	}
	unprotected := methods(func(options *descriptorpb.MethodOptions) bool {
		return options.GetIdempotencyLevel() == descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
	})
	if !slices.Equal(once, unprotected) {
		t.Errorf("not to be repeated are %q, the file says %q", unprotected, once)
	}
}

// methods are those with certain options.
func methods(chosen func(*descriptorpb.MethodOptions) bool) []string {
	var found []string
	for _, file := range []protoreflect.FileDescriptor{
		skepv1.File_skep_v1_daemon_proto, skepv1.File_skep_v1_swarm_proto,
		skepv1.File_skep_v1_node_proto, skepv1.File_skep_v1_service_proto,
		skepv1.File_skep_v1_task_proto, skepv1.File_skep_v1_watch_proto,
		skepv1.File_skep_v1_log_proto,
	} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for k := range methods.Len() {
				if chosen(methods.Get(k).Options().(*descriptorpb.MethodOptions)) {
					found = append(found, string(methods.Get(k).FullName()))
				}
			}
		}
	}
	return found
}

func TestWaitsDoubleUpToTheLongest(t *testing.T) {
	for failures, longest := range []time.Duration{
		1: 100, 2: 200, 3: 400, 4: 800, 5: 1600, 6: 2000, 7: 2000, 1000: 2000,
	} {
		wait := backoffAfter(max(failures, 1)) / time.Millisecond
		if failures > 0 && longest > 0 && (wait > longest || wait < longest/2) {
			t.Errorf("after %d failures the wait is %d ms", failures, wait)
		}
	}
}

func TestErrorsReadTheirStatus(t *testing.T) {
	f := start(t)
	f.creates.fail(refusal(codes.AlreadyExists, "NAME_TAKEN", map[string]string{"name": "web"}))
	_, err := f.client(t).Services.CreateService(limited(t), &skepv1.CreateServiceRequest{})
	taken := failure(t, err)
	if taken.Code != codes.AlreadyExists || taken.Metadata["name"] != "web" ||
		taken.Error() != "refused: NAME_TAKEN" {
		t.Errorf("%+v", taken)
	}
	if status.Code(err) != codes.AlreadyExists {
		t.Error("package status does not know the code")
	}
}
