// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

// patience is ten times what the slowest of these tests should take.
const patience = 20 * time.Second

// reply is a prepared answer: a message, or an error.
type reply[M proto.Message] struct {
	message M
	err     error
}

// script is what a method will answer, in turn, and what it was asked. The last answer stays.
type script[Q, A proto.Message] struct {
	mu      sync.Mutex
	replies []reply[A]
	asked   []Q
}

func (s *script[Q, A]) answer(message A) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies = append(s.replies, reply[A]{message: message})
}

func (s *script[Q, A]) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies = append(s.replies, reply[A]{err: err})
}

func (s *script[Q, A]) requests() []Q {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Q(nil), s.asked...)
}

func (s *script[Q, A]) next(request Q) (A, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, request)
	var none reply[A]
	if len(s.replies) == 0 {
		return none.message, status.Error(codes.Unimplemented, "the script has no answer")
	}
	reply := s.replies[0]
	if len(s.replies) > 1 {
		s.replies = s.replies[1:]
	}
	return reply.message, reply.err
}

// frames are what one watch sends; then it ends with err, or stays silent without one.
type frames struct {
	frames []*skepv1.WatchResponse
	err    error
}

// fake is a server whose answers are prepared and whose requests are kept.
type fake struct {
	skepv1.UnimplementedServiceServiceServer
	skepv1.UnimplementedDaemonServiceServer

	creates script[*skepv1.CreateServiceRequest, *skepv1.CreateServiceResponse]
	gets    script[*skepv1.GetServiceRequest, *skepv1.GetServiceResponse]
	updates script[*skepv1.UpdateServiceRequest, *skepv1.UpdateServiceResponse]
	waits   script[*skepv1.WaitServiceRequest, *skepv1.WaitServiceResponse]
	inits   script[*skepv1.InitSwarmRequest, *skepv1.InitSwarmResponse]
	watches watcher

	mu       sync.Mutex
	deadline time.Duration
	socket   string
	server   *grpc.Server
}

// watcher is the watch of a fake: each stream takes the next of its scripts, or stays silent.
type watcher struct {
	skepv1.UnimplementedWatchServiceServer
	mu      sync.Mutex
	scripts []frames
	asked   []*skepv1.WatchRequest
	// limited says that a stream came with a deadline.
	limited bool
}

func (w *watcher) script(next ...frames) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scripts = append(w.scripts, next...)
}

// after are the revisions that streams were asked to go on from.
func (w *watcher) after() []uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var revisions []uint64
	for _, request := range w.asked {
		revisions = append(revisions, request.GetAfterRevision())
	}
	return revisions
}

func (w *watcher) Watch(
	request *skepv1.WatchRequest, stream grpc.ServerStreamingServer[skepv1.WatchResponse],
) error {
	w.mu.Lock()
	w.asked = append(w.asked, request)
	_, limited := stream.Context().Deadline()
	w.limited = w.limited || limited
	var script frames
	if len(w.scripts) > 0 {
		script, w.scripts = w.scripts[0], w.scripts[1:]
	}
	w.mu.Unlock()
	for _, frame := range script.frames {
		if err := stream.Send(frame); err != nil {
			return err
		}
	}
	if script.err != nil {
		return script.err
	}
	<-stream.Context().Done()
	return nil
}

func (f *fake) CreateService(
	ctx context.Context, request *skepv1.CreateServiceRequest,
) (*skepv1.CreateServiceResponse, error) {
	f.keepDeadline(ctx)
	return f.creates.next(request)
}

// keepDeadline keeps how long a call may take; 0: for ever.
func (f *fake) keepDeadline(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deadline = 0
	if until, limited := ctx.Deadline(); limited {
		f.deadline = time.Until(until)
	}
}

func (f *fake) allowed() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.deadline
}

func (f *fake) GetService(
	_ context.Context, request *skepv1.GetServiceRequest,
) (*skepv1.GetServiceResponse, error) {
	return f.gets.next(request)
}

func (f *fake) UpdateService(
	_ context.Context, request *skepv1.UpdateServiceRequest,
) (*skepv1.UpdateServiceResponse, error) {
	return f.updates.next(request)
}

// WaitService answers what its script says, or as long as there is none, never.
func (f *fake) WaitService(
	ctx context.Context, request *skepv1.WaitServiceRequest,
) (*skepv1.WaitServiceResponse, error) {
	f.keepDeadline(ctx)
	answer, err := f.waits.next(request)
	if status.Code(err) == codes.Unimplemented {
		<-ctx.Done()
	}
	return answer, err
}

func (f *fake) InitSwarm(
	_ context.Context, request *skepv1.InitSwarmRequest,
) (*skepv1.InitSwarmResponse, error) {
	return f.inits.next(request)
}

// start serves on a socket that is gone with the test.
func start(t *testing.T) *fake {
	t.Helper()
	folder, err := os.MkdirTemp("", "skep")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	f := &fake{socket: filepath.Join(folder, "skep.sock")}
	f.serve(t)
	t.Cleanup(func() { f.server.Stop() })
	return f
}

func (f *fake) serve(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("unix", f.socket)
	if err != nil {
		t.Fatal(err)
	}
	f.server = grpc.NewServer()
	skepv1.RegisterServiceServiceServer(f.server, f)
	skepv1.RegisterDaemonServiceServer(f.server, f)
	skepv1.RegisterWatchServiceServer(f.server, &f.watches)
	server := f.server
	go func() { _ = server.Serve(listener) }()
}

// client connects to the fake, until the test ends.
func (f *fake) client(t *testing.T) *Client {
	t.Helper()
	client, err := Connect(limited(t), WithHost("unix://"+f.socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// limited is a context for a whole test.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// refusal is an error as the real server makes them.
func refusal(code codes.Code, reason string, metadata map[string]string) error {
	info := &errdetails.ErrorInfo{Reason: reason, Domain: "skep", Metadata: metadata}
	made, err := status.New(code, "refused: "+reason).WithDetails(info)
	if err != nil {
		panic(err)
	}
	return made.Err()
}

// failure takes the Error out of err.
func failure(t *testing.T, err error) *Error {
	t.Helper()
	failed, ok := err.(*Error)
	if !ok {
		t.Fatalf("%v (%T) is no *Error", err, err)
	}
	return failed
}
