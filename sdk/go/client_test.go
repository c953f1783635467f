// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

func TestTheFirstHostThatAnswersIsTaken(t *testing.T) {
	f := start(t)
	folder := config(t, `{"contexts": {"here": {"hosts": ["unix:///nowhere/skep.sock", "unix://`+f.socket+`"]}}}`)
	t.Setenv("XDG_CONFIG_HOME", folder)
	client, err := Connect(limited(t), WithContext("here"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if client.Host() != "unix://"+f.socket {
		t.Error(client.Host())
	}
}

func TestWhyNoDaemonAnswersIsSaid(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := "http://" + silent.Addr().String()
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	defer silent.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + free.Addr().String()
	_ = free.Close()
	for host, why := range map[string]string{
		"unix:///nowhere/skep.sock": "no such socket",
		refused:                     "nothing listens there",
		other:                       "what listens there does not speak gRPC",
	} {
		_, err := Connect(limited(t), WithHost(host))
		failed := failure(t, err)
		if failed.Code != codes.Unavailable || err.Error() != "no skep daemon answers at "+host+" ("+why+")" {
			t.Error(err)
		}
	}
}

func TestASocketWithoutPermissionEndsTheSearch(t *testing.T) {
	if os.Geteuid() == 0 {
		// Nothing is forbidden to root: what dialing gives is taken from its error alone.
		if err := (&os.SyscallError{Syscall: "connect", Err: os.ErrPermission}); !errors.Is(err, os.ErrPermission) {
			t.Error(err)
		}
		return
	}
	f := start(t)
	if err := os.Chmod(f.socket, 0); err != nil {
		t.Fatal(err)
	}
	_, err := Connect(limited(t), WithHost("unix://"+f.socket))
	failed := failure(t, err)
	if failed.Code != codes.PermissionDenied || !strings.HasPrefix(failed.Message, "no permission to use") {
		t.Error(err)
	}
}

func TestConnectingEndsWithItsContext(t *testing.T) {
	silent, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = Connect(ctx, WithHost("unix://"+silent.Addr().String()))
	if failure(t, err).Code != codes.DeadlineExceeded {
		t.Error(err)
	}
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	f := start(t)
	f.watches.script(frames{frames: []*skepv1.WatchResponse{frame(1)}})
	f.gets.answer(&skepv1.GetServiceResponse{})
	before := runtime.NumGoroutine()
	client, err := Connect(limited(t), WithHost("unix://"+f.socket))
	if err != nil {
		t.Fatal(err)
	}
	// A watch that is under way, one that was left, a wait and a call.
	ended, seen := make(chan error), make(chan struct{})
	go func() {
		for event, err := range client.WatchTasks(context.Background(), nil) {
			if err != nil {
				ended <- err
			} else if event.Type == Progress {
				close(seen)
			}
		}
	}()
	<-seen
	waited := make(chan error)
	go func() {
		_, err := client.WaitConverged(context.Background(), service(7))
		waited <- err
	}()
	if _, err := client.Services.GetService(limited(t), &skepv1.GetServiceRequest{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, end := range []chan error{ended, waited} {
		err := <-end
		if failure(t, err).Code != codes.Canceled || err.Error() != "the client is closed" {
			t.Error(err)
		}
	}
	f.server.Stop()
	until := time.Now().Add(patience)
	for runtime.NumGoroutine() > before {
		if time.Now().After(until) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
		runtime.Gosched()
	}
}
