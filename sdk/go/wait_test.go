// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

// service is one with a spec of a revision.
func service(specRevision uint64) *skepv1.Service {
	return &skepv1.Service{
		Meta: &skepv1.Meta{Id: "svc_1", SpecRevision: specRevision},
		Spec: &skepv1.ServiceSpec{Name: "web"},
	}
}

// notConverged is what a server says when the time it was asked for is over.
func notConverged() error {
	return refusal(codes.DeadlineExceeded, "NOT_CONVERGED",
		map[string]string{"service": "web", "condition": "CONVERGED"})
}

// untilAsked waits until there is a request to wait.
func (f *fake) untilAsked(t *testing.T) {
	t.Helper()
	for ctx := limited(t); len(f.waits.requests()) == 0; {
		if err := pause(ctx, time.Millisecond, "test"); err != nil {
			t.Fatal(err)
		}
	}
}

// within is a context with a deadline.
func within(t *testing.T, span time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), span)
	t.Cleanup(cancel)
	return ctx
}

func TestAWaitIsTheServers(t *testing.T) {
	f := start(t)
	f.waits.answer(&skepv1.WaitServiceResponse{Service: service(8)})
	client := f.client(t)
	done, err := client.WaitConverged(within(t, time.Minute), service(7), StableFor(3*time.Second))
	if err != nil || done.GetMeta().GetSpecRevision() != 8 {
		t.Fatal(done, err)
	}
	asked := f.waits.requests()[0]
	if asked.GetService() != "svc_1" || asked.GetSpecRevision() != 7 ||
		asked.GetStableFor().AsDuration() != 3*time.Second {
		t.Error(asked)
	}
	timeout := asked.GetTimeout().AsDuration()
	if timeout > time.Minute || timeout < time.Minute-patience {
		t.Errorf("a minute is left, the server is asked to wait for %v", timeout)
	}
	if given := f.allowed(); given < timeout+waitMargin/2 || given > timeout+waitMargin {
		t.Errorf("it is asked to wait for %v, and given %v to answer", timeout, given)
	}
}

func TestAWaitWithoutADeadlineIsAskedForHourByHour(t *testing.T) {
	f := start(t)
	f.waits.fail(notConverged())
	f.waits.answer(&skepv1.WaitServiceResponse{Service: service(7)})
	if _, err := f.client(t).WaitConverged(context.Background(), service(7), StableFor(time.Hour)); err != nil {
		t.Fatal(err)
	}
	asked := f.waits.requests()
	// What has to hold for an hour has an hour to begin.
	if len(asked) != 2 || asked[0].GetTimeout().AsDuration() != 2*time.Hour {
		t.Error(asked)
	}
	if _, err := f.client(t).WaitConverged(context.Background(), service(7)); err != nil {
		t.Fatal(err)
	}
	if asked := f.waits.requests()[2]; asked.GetTimeout().AsDuration() != time.Hour || asked.StableFor != nil {
		t.Error(asked)
	}
}

func TestWhatTheServerDecidesEndsTheWait(t *testing.T) {
	for _, refused := range []struct {
		code     codes.Code
		reason   string
		metadata map[string]string
	}{
		{codes.FailedPrecondition, "CRASH_LOOP", map[string]string{"service": "web", "condition": "STALLED"}},
		{codes.NotFound, "OBJECT_NOT_FOUND", map[string]string{"kind": "service", "name": "web"}},
		{codes.PermissionDenied, "ROLE_REQUIRED", nil},
	} {
		f := start(t)
		f.waits.fail(refusal(refused.code, refused.reason, refused.metadata))
		_, err := f.client(t).WaitConverged(limited(t), service(7))
		failed := failure(t, err)
		if failed.Code != refused.code || failed.Reason != refused.reason ||
			failed.Error() != "refused: "+refused.reason || failed.Metadata["service"] != "web" ||
			failed.Metadata["condition"] != refused.metadata["condition"] || len(f.waits.requests()) != 1 {
			t.Errorf("%+v", failed)
		}
	}
}

func TestAWaitGoesOnForTheTimeThatIsLeft(t *testing.T) {
	f := start(t)
	for range 3 {
		f.waits.fail(refusal(codes.Unavailable, "MANAGER_NOT_READY", nil))
	}
	f.waits.answer(&skepv1.WaitServiceResponse{Service: service(7)})
	if _, err := f.client(t).WaitConverged(within(t, time.Minute), service(7)); err != nil {
		t.Fatal(err)
	}
	asked := f.waits.requests()
	if len(asked) != 4 {
		t.Errorf("%d requests", len(asked))
	}
	for i := range asked[1:] {
		if asked[i+1].GetTimeout().AsDuration() > asked[i].GetTimeout().AsDuration()-backoffInitial/2 {
			t.Errorf("attempt %d asked for %v, after %v", i+2, asked[i+1].GetTimeout(), asked[i].GetTimeout())
		}
	}
}

func TestAWaitOutlivesARestartOfTheDaemon(t *testing.T) {
	f := start(t)
	client := f.client(t)
	waited := make(chan error)
	go func() {
		_, err := client.WaitConverged(limited(t), service(7))
		waited <- err
	}()
	f.untilAsked(t)
	f.waits.answer(&skepv1.WaitServiceResponse{Service: service(7)})
	f.server.Stop()
	f.serve(t)
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

func TestATimeoutSaysWhatTheServerSays(t *testing.T) {
	f := start(t)
	f.waits.fail(notConverged())
	client := f.client(t)
	_, err := client.WaitConverged(within(t, 0), service(7))
	failed := failure(t, err)
	if failed.Code != codes.DeadlineExceeded || failed.Reason != "NOT_CONVERGED" ||
		failed.Error() != "refused: NOT_CONVERGED" || !errors.Is(failed, context.DeadlineExceeded) {
		t.Errorf("%+v", failed)
	}
	// A time that was over before is enough for one look.
	if asked := f.waits.requests(); len(asked) != 1 || asked[0].GetTimeout().AsDuration() != 0 {
		t.Error(asked)
	}
}

func TestWhatAServerSaidGoesBeforeWhatHappenedToIt(t *testing.T) {
	f := start(t)
	f.waits.fail(refusal(codes.Unavailable, "NO_QUORUM", nil))
	client := f.client(t)
	waited := make(chan error)
	go func() {
		_, err := client.WaitConverged(within(t, 2*time.Second), service(7))
		waited <- err
	}()
	f.untilAsked(t)
	f.server.Stop()
	if failed := failure(t, <-waited); failed.Reason != "NO_QUORUM" || failed.Metadata["service"] != "web" {
		t.Errorf("%+v", failed)
	}
}

func TestATimeoutWithoutAServerSaysWhy(t *testing.T) {
	f := start(t)
	client := f.client(t)
	f.server.Stop()
	_, err := client.WaitConverged(within(t, 100*time.Millisecond), service(7))
	failed := failure(t, err)
	want := "the service web did not converge in time: the connection to unix://" + f.socket +
		" is lost: dial unix " + f.socket + ": connect: no such file or directory"
	if failed.Code != codes.DeadlineExceeded || failed.Reason != "NOT_CONVERGED" || failed.Error() != want ||
		failed.Metadata["service"] != "web" || failed.Metadata["condition"] != "CONVERGED" ||
		!errors.Is(failed, context.DeadlineExceeded) {
		t.Errorf("%+v", failed)
	}
}

func TestAWaitThatIsCanceledSaysSo(t *testing.T) {
	f := start(t)
	client := f.client(t)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	_, err := client.WaitConverged(ctx, service(7))
	if failure(t, err).Code != codes.Canceled || !errors.Is(err, context.Canceled) ||
		err.Error() != "the wait was canceled" {
		t.Error(err)
	}
}
