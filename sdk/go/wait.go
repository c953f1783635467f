// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

const (
	// waitLongest is how long a server is asked to wait at a time.
	waitLongest = time.Hour
	// waitMargin is how much later than asked for its answer may come.
	waitMargin = 5 * time.Second
)

// WaitOption says how to wait.
type WaitOption func(*skepv1.WaitServiceRequest)

// StableFor is how long the service has to stay converged, without a break, before that counts:
// 5 s without this option, at most 1 h. 0: it counts at once, which a program that ends right
// after its start can pass.
func StableFor(span time.Duration) WaitOption {
	return func(request *skepv1.WaitServiceRequest) { request.StableFor = durationpb.New(span) }
}

// WaitConverged waits until a service, as an answer showed it, has converged on its spec or a
// later one and stayed so, over broken connections and restarts of the daemon. The deadline of
// the context ends the wait. It returns the service as it then is.
//
// An [Error] with one of these codes says how else the wait ended; its metadata name the service
// and, where one tells, the condition:
//   - FailedPrecondition: the change has failed, and nothing more will happen by itself. Reason
//     and message are those of the service's condition STALLED: CRASH_LOOP, ROLLOUT_PAUSED, ROLLED_BACK.
//   - DeadlineExceeded: UNPLACED, tasks have found no node, and why; or NOT_CONVERGED.
//   - NotFound, OBJECT_NOT_FOUND: the service was deleted meanwhile.
//   - Unavailable: the time is over, and the managers could not serve, as they said last.
//   - Canceled: the context was.
func (c *Client) WaitConverged(
	ctx context.Context, service *skepv1.Service, options ...WaitOption,
) (*skepv1.Service, error) {
	request := &skepv1.WaitServiceRequest{
		Service: service.GetMeta().GetId(), SpecRevision: service.GetMeta().GetSpecRevision(),
	}
	for _, option := range options {
		option(request)
	}
	name := cmp.Or(service.GetSpec().GetName(), request.GetService())
	// What a server said last; until one did, what happened to the connection.
	var last *Error
	for failures := 1; ; failures++ {
		answer, err := c.waitOnce(ctx, request)
		failure, _ := errors.AsType[*Error](err)
		switch {
		case err == nil:
			return answer.GetService(), nil
		// The time that was asked for may be only a part of all there is.
		case failure.Code != codes.DeadlineExceeded && !c.isPassing(failure):
			return nil, failure.about(name)
		case last == nil || last.isLocal() || !failure.isLocal():
			last = failure
		}
		err = pause(ctx, backoffAfter(failures), "wait")
		switch {
		case errors.Is(err, context.Canceled):
			return nil, err
		case err != nil && last.isLocal():
			return nil, unanswered(name, last.Message)
		case err != nil:
			return nil, last.about(name)
		}
	}
}

// waitOnce asks for as much of the time that is left as a server may be asked for.
func (c *Client) waitOnce(
	ctx context.Context, request *skepv1.WaitServiceRequest,
) (*skepv1.WaitServiceResponse, error) {
	span := waitLongest + request.GetStableFor().AsDuration()
	if until, limited := ctx.Deadline(); limited {
		span = min(span, max(time.Until(until), 0))
	}
	request.Timeout = durationpb.New(span)
	// The server keeps the time, and says at its end what is missing; so only a cancellation of
	// the caller's context ends the call.
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), span+waitMargin)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})()
	// What a server refused is not for gRPC to repeat, as less time is left then: without a buffer
	// it cannot.
	return c.Services.WaitService(call, request, grpc.MaxRetryRPCBufferSize(0))
}

// about names the service that was waited for.
func (e *Error) about(service string) *Error {
	if e.Metadata == nil {
		e.Metadata = make(map[string]string)
	}
	e.Metadata["service"] = service
	return e
}

// unanswered says that the time is over and no server told why.
func unanswered(service, why string) *Error {
	return &Error{
		Code: codes.DeadlineExceeded, Reason: "NOT_CONVERGED",
		Message:  fmt.Sprintf("the service %s did not converge in time: %s", service, why),
		Metadata: map[string]string{"service": service, "condition": "CONVERGED"},
		cause:    context.DeadlineExceeded,
	}
}
