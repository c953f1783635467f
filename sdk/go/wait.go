// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

const (
	// stableFor is how long a service has to stay converged unless the caller says otherwise.
	stableFor = 5 * time.Second
	// causesTimeout is how long a wait that has timed out may ask why.
	causesTimeout = 5 * time.Second
	// causesTasks is how many tasks without a node it looks at: a page.
	causesTasks = 1000
)

// WaitOption says how to wait.
type WaitOption func(*judge)

// StableFor is how long the service has to stay converged, without a break, before that counts:
// 5 s without this option. 0: it counts at once, which a program that ends right after its start
// can pass.
func StableFor(span time.Duration) WaitOption {
	return func(j *judge) { j.stableFor = span }
}

// WaitConverged waits until a service, as an answer showed it, has converged on its spec or a
// later one and stayed so. The deadline of the context ends the wait. It returns the service as
// it then is.
//
// An [Error] with one of these codes says how else the wait ended; its metadata name the service
// and, where one tells, the condition:
//   - FailedPrecondition: the change has failed, and nothing more will happen by itself. Reason
//     and message are those of the service's condition STALLED: CRASH_LOOP, ROLLOUT_PAUSED, ROLLED_BACK.
//   - DeadlineExceeded: UNPLACED, tasks have found no node, and why; or NOT_CONVERGED.
//   - NotFound, OBJECT_NOT_FOUND: the service was deleted meanwhile.
//   - Canceled: the context was.
func (c *Client) WaitConverged(
	ctx context.Context, service *skepv1.Service, options ...WaitOption,
) (*skepv1.Service, error) {
	w := waiting{
		client: c, id: service.GetMeta().GetId(), name: service.GetSpec().GetName(),
		judge: judge{specRevision: service.GetMeta().GetSpecRevision(), stableFor: stableFor},
	}
	for _, option := range options {
		option(&w.judge)
	}
	done, err := w.run(ctx)
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, w.timedOut(ctx)
	}
	return done, err
}

// waiting is a wait under way.
type waiting struct {
	client   *Client
	id, name string
	judge    judge
	// last is the service as it was last seen; nil: not yet.
	last *skepv1.Service
}

// sight is what a watch brought: the service once a step is complete, or why it ended.
type sight struct {
	service *skepv1.Service
	err     error
}

func (w *waiting) run(ctx context.Context) (*skepv1.Service, error) {
	ctx, cancel := context.WithCancel(ctx)
	sights := make(chan sight)
	go w.watch(ctx, sights)
	defer func() {
		cancel()
		for range sights {
			// Until the watch has ended too.
		}
	}()
	due := time.NewTimer(w.judge.stableFor)
	due.Stop()
	for {
		var verdict verdict
		select {
		case seen, open := <-sights:
			switch {
			case !open || ctx.Err() != nil:
				return nil, ended(ctx, "the wait was canceled", "the time for the wait is over")
			case seen.err != nil:
				return nil, seen.err
			case seen.service == nil:
				return nil, w.gone()
			}
			w.last = seen.service
			verdict = w.judge.see(seen.service, time.Now())
		case <-due.C:
			var err error
			if verdict, err = w.confirm(ctx); err != nil {
				return nil, err
			}
		}
		switch {
		case verdict.stalled != nil:
			return nil, w.failed(verdict.stalled)
		case verdict.converged:
			return w.last, nil
		case verdict.holding:
			due.Reset(time.Until(verdict.readAt))
		default:
			due.Stop()
		}
	}
}

// watch sends the service after each step.
func (w *waiting) watch(ctx context.Context, sights chan<- sight) {
	defer close(sights)
	send := func(seen sight) {
		select {
		case sights <- seen:
		case <-ctx.Done():
		}
	}
	filter := &skepv1.ServiceFilter{Services: []string{w.id}}
	var view View[*skepv1.Service]
	for event, err := range w.client.WatchServices(ctx, filter) {
		if err != nil {
			send(sight{err: err})
			return
		}
		view.Apply(event)
		if event.Type == Progress {
			send(sight{service: view.Objects[w.id]})
		}
	}
}

// confirm asks whether it is still as it was seen: a watch that is silent may be cut off.
func (w *waiting) confirm(ctx context.Context) (verdict, error) {
	answer, err := w.client.Services.GetService(ctx, &skepv1.GetServiceRequest{Service: w.id})
	if err == nil {
		w.last = answer.GetService()
		return w.judge.read(answer.GetService(), time.Now()), nil
	}
	// The watch tells of a service that is gone, and goes on once there is a manager.
	failure, _ := errors.AsType[*Error](err)
	passing := []codes.Code{codes.NotFound, codes.Unavailable, codes.DeadlineExceeded}
	if ctx.Err() == nil && (failure.isLocal() || slices.Contains(passing, failure.Code)) {
		return w.judge.unread(time.Now()), nil
	}
	return verdict{}, failure
}

func (w *waiting) gone() *Error {
	return w.ended(codes.NotFound, "OBJECT_NOT_FOUND", "",
		fmt.Sprintf("the service %s was deleted", w.name))
}

func (w *waiting) failed(stalled *skepv1.Condition) *Error {
	return w.ended(codes.FailedPrecondition, stalled.GetReason(), stalled.GetType(), stalled.GetMessage())
}

// timedOut says why there was not enough time.
func (w *waiting) timedOut(ctx context.Context) *Error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), causesTimeout)
	defer cancel()
	if causes := w.unplaced(ctx); len(causes) > 0 {
		return w.ended(codes.DeadlineExceeded, "UNPLACED", "",
			fmt.Sprintf("the service %s has tasks without a node: %s", w.name, strings.Join(causes, "; ")))
	}
	why := "nothing was seen of it"
	if w.last != nil {
		why = "its status does not say why"
	}
	for _, condition := range w.last.GetStatus().GetConditions() {
		if condition.GetType() == "CONVERGED" && condition.GetMessage() != "" {
			why = condition.GetMessage()
		}
	}
	return w.ended(codes.DeadlineExceeded, "NOT_CONVERGED", "CONVERGED",
		fmt.Sprintf("the service %s did not converge in time: %s", w.name, why))
}

// unplaced gives the causes for which tasks that should run have no node, each once.
func (w *waiting) unplaced(ctx context.Context) []string {
	var causes []string
	filter := &skepv1.TaskFilter{
		Services: []string{w.id}, States: []skepv1.TaskState{skepv1.TaskState_TASK_STATE_PENDING},
	}
	answer, _ := w.client.Tasks.ListTasks(ctx, &skepv1.ListTasksRequest{Filter: filter, PageSize: causesTasks})
	for _, task := range answer.GetTasks() {
		for _, cause := range task.GetStatus().GetUnplaced().GetCauses() {
			if task.GetDesiredState() <= skepv1.TaskState_TASK_STATE_RUNNING &&
				!slices.Contains(causes, cause.GetMessage()) {
				causes = append(causes, cause.GetMessage())
			}
		}
	}
	return causes
}

// ended makes the error of a wait that ended badly.
func (w *waiting) ended(code codes.Code, reason, condition, message string) *Error {
	metadata := map[string]string{"service": w.name}
	if condition != "" {
		metadata["condition"] = condition
	}
	failure := &Error{Code: code, Reason: reason, Message: message, Metadata: metadata}
	if code == codes.DeadlineExceeded {
		failure.cause = context.DeadlineExceeded
	}
	return failure
}

// judge decides when a wait is over: what is seen and the time go in, a verdict comes out.
// STALLED comes first, because it holds together with CONVERGED after an automatic rollback.
// CONVERGED counts only once it was seen to hold for a time without a break, for one revision of
// the spec; a read at the end of that time proves it.
type judge struct {
	specRevision uint64
	stableFor    time.Duration
	// claim is that the service has converged, as it says itself, since holds; nil: it does not.
	claim *skepv1.Condition
	holds time.Time
}

// verdict is what to do next; the zero value, to look at what the watch brings.
type verdict struct {
	stalled   *skepv1.Condition
	converged bool
	// holding: if the watch brings nothing until readAt, read the service.
	holding bool
	readAt  time.Time
}

// see takes in what a watch shows.
func (j *judge) see(service *skepv1.Service, now time.Time) verdict {
	if stalled := j.find(service, "STALLED"); stalled != nil {
		return verdict{stalled: stalled}
	}
	claim := j.find(service, "CONVERGED")
	// Tasks that have done their work cannot end.
	if claim != nil && (j.stableFor <= 0 || service.GetStatus().GetRunningTasks() == 0) {
		return verdict{converged: true}
	}
	return j.hold(claim, now)
}

// read takes in the service, read at the time that a verdict named.
func (j *judge) read(service *skepv1.Service, now time.Time) verdict {
	if stalled := j.find(service, "STALLED"); stalled != nil {
		return verdict{stalled: stalled}
	}
	claim := j.find(service, "CONVERGED")
	if isSame(j.claim, claim) && now.Sub(j.holds) >= j.stableFor {
		return verdict{converged: true}
	}
	return j.hold(claim, now)
}

// unread says that the service could not be read: what was seen of it before proves nothing.
func (j *judge) unread(now time.Time) verdict {
	claim := j.claim
	j.claim = nil
	return j.hold(claim, now)
}

// hold goes on holding the same claim, or begins anew with another.
func (j *judge) hold(claim *skepv1.Condition, now time.Time) verdict {
	if !isSame(j.claim, claim) {
		j.holds = now
	}
	j.claim = claim
	return verdict{holding: claim != nil, readAt: j.holds.Add(j.stableFor)}
}

// find gives the condition if it holds and was judged against the wanted spec or a later one.
func (j *judge) find(service *skepv1.Service, kind string) *skepv1.Condition {
	for _, condition := range service.GetStatus().GetConditions() {
		if condition.GetType() == kind &&
			condition.GetStatus() == skepv1.Condition_STATUS_TRUE &&
			condition.GetObservedSpecRevision() >= j.specRevision {
			return condition
		}
	}
	return nil
}

// isSame tells whether two claims are one: another time means that there was a break.
func isSame(a, b *skepv1.Condition) bool {
	return a != nil && b != nil &&
		a.GetObservedSpecRevision() == b.GetObservedSpecRevision() &&
		proto.Equal(a.GetTransitionTime(), b.GetTransitionTime())
}
