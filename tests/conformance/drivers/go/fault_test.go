// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

// flaky fails the first attempt of everything, and keeps what it was asked.
type flaky struct {
	skepv1.UnimplementedServiceServiceServer
	skepv1.UnimplementedWatchServiceServer
	mu    sync.Mutex
	ids   []string
	after []uint64
}

func (f *flaky) CreateService(
	_ context.Context, request *skepv1.CreateServiceRequest,
) (*skepv1.CreateServiceResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids = append(f.ids, request.GetRequestId())
	if len(f.ids) == 1 {
		return nil, status.Error(codes.Unavailable, "not yet")
	}
	return &skepv1.CreateServiceResponse{}, nil
}

// Watch brings a task with revision 8, breaks, and brings it again with 9.
func (f *flaky) Watch(
	request *skepv1.WatchRequest, stream grpc.ServerStreamingServer[skepv1.WatchResponse],
) error {
	f.mu.Lock()
	f.after = append(f.after, request.GetAfterRevision())
	revision := 7 + uint64(len(f.after))
	f.mu.Unlock()
	changed := &skepv1.WatchResponse_Event{
		Type:   skepv1.EventType_EVENT_TYPE_CHANGED,
		Object: &skepv1.WatchResponse_Event_Task{Task: &skepv1.Task{Meta: &skepv1.Meta{Id: "tsk_1"}}},
	}
	frame := &skepv1.WatchResponse{Revision: revision, Events: []*skepv1.WatchResponse_Event{changed}}
	if err := stream.Send(frame); err != nil || revision == 8 {
		return err
	}
	<-stream.Context().Done()
	return nil
}

// play drives a flaky server: it makes a service and watches from revision 7 to 9. It gives the
// types of the events.
func play(t *testing.T, fault string) (*flaky, []string) {
	t.Helper()
	folder, err := os.MkdirTemp("", "skep")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket := filepath.Join(folder, "skep.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	f := &flaky{}
	server := grpc.NewServer()
	skepv1.RegisterServiceServiceServer(server, f)
	skepv1.RegisterWatchServiceServer(server, f)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)

	d := driver{fault: fault, watches: map[string]*following{}}
	var types []string
	for _, asked := range []request{
		{Op: "connect", Host: "unix://" + socket},
		{Op: "call", Method: "ServiceService/CreateService"},
		{Op: "watch_open", Watch: "w", Kind: "tasks", FromRevision: json.Number("7")},
	} {
		if _, err := d.do(context.Background(), asked); err != nil {
			t.Fatal(asked.Op, err)
		}
	}
	for revision := ""; revision != "9"; {
		next, err := d.do(context.Background(), request{Op: "watch_next", Watch: "w", TimeoutMs: 20_000})
		if err != nil || next["timeout"] == true {
			t.Fatal(next, err)
		}
		event := next["event"].(fields)
		types = append(types, event["type"].(string))
		revision, _ = event["revision"].(string)
	}
	if _, err := d.do(context.Background(), request{Op: "close"}); err != nil {
		t.Fatal(err)
	}
	return f, types
}

func TestFaultsArePlantedOnlyWhenAskedFor(t *testing.T) {
	whole := []string{"changed", "progress", "changed", "progress"}
	for fault, want := range map[string]struct {
		sameID bool
		after  []uint64
		types  []string
	}{
		"":                   {true, []uint64{7, 8}, whole},
		faultDropEvent:       {true, []uint64{7, 8}, whole[1:]},
		faultResumeLate:      {true, []uint64{7, 9}, whole},
		faultForgetRequestID: {false, []uint64{7, 8}, whole},
	} {
		f, types := play(t, fault)
		if len(f.ids) != 2 || (f.ids[0] == f.ids[1]) != want.sameID {
			t.Errorf("%q: request ids are %q", fault, f.ids)
		}
		if !slices.Equal(f.after, want.after) || !slices.Equal(types, want.types) {
			t.Errorf("%q: the watch went on after %v and told %q", fault, f.after, types)
		}
	}
}
