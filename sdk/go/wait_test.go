// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

// holds is a condition that is true, judged against a spec, since a second of the year 1970.
func holds(kind string, observed uint64, since int64) *skepv1.Condition {
	return &skepv1.Condition{
		Type: kind, Status: skepv1.Condition_STATUS_TRUE, ObservedSpecRevision: observed,
		TransitionTime: &timestamppb.Timestamp{Seconds: since},
	}
}

// service is one with a spec of a revision, that runs one task.
func service(specRevision uint64, conditions ...*skepv1.Condition) *skepv1.Service {
	return &skepv1.Service{
		Meta:   &skepv1.Meta{Id: "svc_1", SpecRevision: specRevision},
		Spec:   &skepv1.ServiceSpec{Name: "web"},
		Status: &skepv1.ServiceStatus{DesiredTasks: 1, RunningTasks: 1, Conditions: conditions},
	}
}

// shows is the event that a service is so.
func shows(kind skepv1.EventType, shown *skepv1.Service) *skepv1.WatchResponse_Event {
	return &skepv1.WatchResponse_Event{
		Type: kind, Object: &skepv1.WatchResponse_Event_Service{Service: shown},
	}
}

// waits waits for a service whose watch shows these frames.
func waits(t *testing.T, f *fake, stable time.Duration, seen ...*skepv1.WatchResponse) (*skepv1.Service, error) {
	t.Helper()
	f.watches.script(frames{frames: seen})
	return f.client(t).WaitConverged(limited(t), service(7), StableFor(stable))
}

func TestAWaitEndsOnceItIsStable(t *testing.T) {
	f := start(t)
	now := service(7, holds("CONVERGED", 7, 1))
	f.gets.answer(&skepv1.GetServiceResponse{Service: now})
	begun := time.Now()
	done, err := waits(t, f, 50*time.Millisecond,
		frame(1, shows(added, service(7))), frame(2, shows(changed, now)), frame(3))
	if err != nil || done.GetMeta().GetId() != "svc_1" {
		t.Fatal(done, err)
	}
	if took := time.Since(begun); took < 50*time.Millisecond {
		t.Errorf("it was watched for %v only", took)
	}
	if reads := f.gets.requests(); len(reads) != 1 || reads[0].GetService() != "svc_1" {
		t.Error(reads)
	}
	if filter := f.watches.asked[0].GetServices().GetServices(); len(filter) != 1 || filter[0] != "svc_1" {
		t.Error(filter)
	}
}

func TestAReadThatFailsProvesNothing(t *testing.T) {
	f := start(t)
	now := service(7, holds("CONVERGED", 7, 1))
	f.gets.fail(refusal(codes.NotFound, "OBJECT_NOT_FOUND", nil))
	f.gets.answer(&skepv1.GetServiceResponse{Service: service(7, holds("CONVERGED", 7, 2))})
	f.gets.answer(&skepv1.GetServiceResponse{Service: service(7, holds("CONVERGED", 7, 2))})
	if _, err := waits(t, f, 10*time.Millisecond, frame(2, shows(added, now))); err != nil {
		t.Fatal(err)
	}
	if reads := f.gets.requests(); len(reads) != 3 {
		t.Errorf("%d reads, not one that fails, one with another claim and one that proves it", len(reads))
	}
}

func TestAReadThatIsRefusedEndsTheWait(t *testing.T) {
	f := start(t)
	f.gets.fail(refusal(codes.PermissionDenied, "ROLE_REQUIRED", nil))
	_, err := waits(t, f, time.Millisecond, frame(2, shows(added, service(7, holds("CONVERGED", 7, 1)))))
	if !IsReason(err, "ROLE_REQUIRED") {
		t.Error(err)
	}
}

func TestWhatNeedsNoTimeIsNotWatched(t *testing.T) {
	for _, stable := range []time.Duration{0, time.Hour} {
		f := start(t)
		now := service(7, holds("CONVERGED", 8, 1))
		if stable > 0 {
			now.Status.RunningTasks = 0
		}
		if _, err := waits(t, f, stable, frame(2, shows(added, now))); err != nil {
			t.Error(err)
		}
		if reads := f.gets.requests(); len(reads) != 0 {
			t.Error(reads)
		}
	}
}

func TestAStalledServiceEndsTheWait(t *testing.T) {
	f := start(t)
	stalled := holds("STALLED", 7, 1)
	stalled.Reason, stalled.Message = "ROLLED_BACK", "update rolled back: task web.1 failed"
	// An automatic rollback converges too.
	_, err := waits(t, f, 0, frame(1, shows(added, service(7, holds("STALLED", 6, 1)))),
		frame(2, shows(changed, service(7, holds("CONVERGED", 7, 1), stalled))))
	failed := failure(t, err)
	if failed.Code != codes.FailedPrecondition || failed.Reason != "ROLLED_BACK" ||
		failed.Error() != "update rolled back: task web.1 failed" ||
		failed.Metadata["service"] != "web" || failed.Metadata["condition"] != "STALLED" {
		t.Errorf("%+v", failed)
	}
}

func TestAServiceThatIsGoneEndsTheWait(t *testing.T) {
	for _, seen := range [][]*skepv1.WatchResponse{
		{frame(1)},
		{frame(1, shows(added, service(7))), frame(2, shows(deleted, service(7)))},
	} {
		_, err := waits(t, start(t), 0, seen...)
		failed := failure(t, err)
		if failed.Code != codes.NotFound || failed.Reason != "OBJECT_NOT_FOUND" ||
			failed.Error() != "the service web was deleted" {
			t.Errorf("%+v", failed)
		}
	}
}

func TestAWaitIsForItsSpecOrALaterOne(t *testing.T) {
	f := start(t)
	f.watches.script(frames{frames: []*skepv1.WatchResponse{
		frame(1, shows(added, service(7, holds("CONVERGED", 6, 1)))),
	}})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	f.lists.answer(&skepv1.ListTasksResponse{})
	_, err := f.client(t).WaitConverged(ctx, service(7), StableFor(0))
	if !IsReason(err, "NOT_CONVERGED") {
		t.Error(err)
	}
}

// timesOut waits in vain for a service that has not converged.
func timesOut(t *testing.T, f *fake) *Error {
	t.Helper()
	now := service(7, &skepv1.Condition{
		Type: "CONVERGED", Status: skepv1.Condition_STATUS_FALSE, Message: "0 of 1 tasks run",
	})
	f.watches.script(frames{frames: []*skepv1.WatchResponse{frame(1, shows(added, now))}})
	client := f.client(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := client.WaitConverged(ctx, service(7))
	return failure(t, err)
}

func TestATimeoutSaysWhatIsMissing(t *testing.T) {
	f := start(t)
	f.lists.answer(&skepv1.ListTasksResponse{})
	failed := timesOut(t, f)
	if failed.Code != codes.DeadlineExceeded || failed.Reason != "NOT_CONVERGED" ||
		failed.Error() != "the service web did not converge in time: 0 of 1 tasks run" ||
		failed.Metadata["condition"] != "CONVERGED" || !errors.Is(failed, context.DeadlineExceeded) {
		t.Errorf("%+v", failed)
	}
	if f.watches.limited {
		t.Error("the server was told of the deadline, and would end the watch with it")
	}
}

func TestATimeoutSaysWhyTasksHaveNoNode(t *testing.T) {
	f := start(t)
	pending := func(desired skepv1.TaskState, message string) *skepv1.Task {
		causes := []*skepv1.Unplaced_Cause{{Message: message, Nodes: 1}}
		return &skepv1.Task{DesiredState: desired, Status: &skepv1.TaskStatus{
			State: skepv1.TaskState_TASK_STATE_PENDING, Unplaced: &skepv1.Unplaced{Causes: causes},
		}}
	}
	running := skepv1.TaskState_TASK_STATE_RUNNING
	f.lists.answer(&skepv1.ListTasksResponse{Tasks: []*skepv1.Task{
		pending(running, "needs 4096 MiB"), pending(running, "needs 4096 MiB"), pending(running, "no port"),
		pending(skepv1.TaskState_TASK_STATE_STOPPED, "of no matter"),
	}})
	failed := timesOut(t, f)
	if failed.Code != codes.DeadlineExceeded || failed.Reason != "UNPLACED" ||
		failed.Error() != "the service web has tasks without a node: needs 4096 MiB; no port" {
		t.Errorf("%+v", failed)
	}
	if filter := f.lists.requests()[0].GetFilter(); filter.GetServices()[0] != "svc_1" ||
		filter.GetStates()[0] != skepv1.TaskState_TASK_STATE_PENDING {
		t.Error(filter)
	}
}

func TestAWaitThatIsCanceledSaysSo(t *testing.T) {
	f := start(t)
	client := f.client(t)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	_, err := client.WaitConverged(ctx, service(7))
	if failure(t, err).Code != codes.Canceled || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAClaimThatBreaksIsHeldAnew(t *testing.T) {
	j := judge{specRevision: 7, stableFor: 5 * time.Second}
	begun := time.Unix(1000, 0)
	at := func(seconds int) time.Time { return begun.Add(time.Duration(seconds) * time.Second) }
	step := j.see(service(7, holds("CONVERGED", 7, 1)), at(0))
	if !step.holding || step.readAt != at(5) {
		t.Error(step)
	}
	// Another change to the service, the same claim.
	if step = j.see(service(7, holds("CONVERGED", 7, 1)), at(3)); step.readAt != at(5) {
		t.Error(step)
	}
	if step = j.see(service(7), at(4)); step.holding || step.converged {
		t.Error(step)
	}
	if step = j.see(service(7, holds("CONVERGED", 7, 4)), at(5)); step.readAt != at(10) {
		t.Error(step)
	}
	if step = j.read(service(7, holds("CONVERGED", 8, 4)), at(10)); step.converged || step.readAt != at(15) {
		t.Error(step)
	}
	if step = j.read(service(7, holds("CONVERGED", 8, 4)), at(14)); step.converged {
		t.Error(step)
	}
	if step = j.read(service(7, holds("CONVERGED", 8, 4)), at(15)); !step.converged {
		t.Error(step)
	}
	// What could not be read is held from then on.
	j.see(service(7, holds("CONVERGED", 9, 20)), at(20))
	if step = j.unread(at(24)); !step.holding || step.readAt != at(29) {
		t.Error(step)
	}
}
