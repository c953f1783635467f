// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

const (
	// defaultInterval is the longest time between two events of type Progress if the caller sets none.
	defaultInterval = 5 * time.Second
	// silentIntervals is how many intervals of silence mean that the other side is gone, and
	// silenceMin the least silence: a server has to have the time to refuse an interval.
	silentIntervals = 3
	silenceMin      = time.Second
)

// Object is what can be watched: a task, a service or a node.
type Object interface {
	proto.Message
	GetMeta() *skepv1.Meta
}

// EventType says what an [Event] tells.
type EventType string

const (
	// Reset gives all there is in Objects: replace whatever you held. First of all, and again
	// if the server no longer has the history that was needed to go on.
	Reset EventType = "Reset"
	// Added gives an Object that was made, or began to match.
	Added EventType = "Added"
	// Changed gives an Object that changed and still matches.
	Changed EventType = "Changed"
	// Left gives an Object that still exists but no longer matches.
	Left EventType = "Left"
	// Deleted gives the last state of an Object that is gone.
	Deleted EventType = "Deleted"
	// Progress says that everything through Revision has been told. What lies between two of
	// these happened as one.
	Progress EventType = "Progress"
)

// Event is what a watch tells. Type says which of the other fields are set.
type Event[O Object] struct {
	// Type is what happened.
	Type EventType
	// Objects are all that match, with Reset.
	Objects []O
	// Object is the one that this is about, with Added, Changed, Left and Deleted.
	Object O
	// Revision is complete, with Progress. It may be kept, and given to [FromRevision] later.
	Revision uint64
	// HeadRevision is the newest that the server has, with Progress: the difference is the lag.
	HeadRevision uint64
}

// WatchOption says how to watch.
type WatchOption func(*skepv1.WatchRequest)

// FromRevision goes on after a revision that an earlier watch completed, instead of beginning
// with all there is. 0: as without this option.
func FromRevision(revision uint64) WatchOption {
	return func(request *skepv1.WatchRequest) { request.AfterRevision = revision }
}

// ProgressInterval is the longest time between two events of type Progress, from 1 to 60 s; 5 s
// without this option. Three times as long a silence means that the server is gone.
func ProgressInterval(interval time.Duration) WatchOption {
	return func(request *skepv1.WatchRequest) { request.ProgressInterval = durationpb.New(interval) }
}

// WatchTasks gives the tasks that match, then every change to them, over broken connections and
// restarts of the daemon, without a gap and without a duplicate. A nil filter matches all.
//
// The loop over it ends with the context, or with an error that repeating cannot cure, such as
// a filter that is refused: the last pair then holds that [Error]. Each loop is a watch of its
// own.
func (c *Client) WatchTasks(
	ctx context.Context, filter *skepv1.TaskFilter, options ...WatchOption,
) iter.Seq2[Event[*skepv1.Task], error] {
	request := &skepv1.WatchRequest{Tasks: cmp.Or(filter, &skepv1.TaskFilter{})}
	return watch(ctx, c, request, options,
		func(event *skepv1.WatchResponse_Event) *skepv1.Task { return event.GetTask() })
}

// WatchServices gives the services that match, then every change. See [Client.WatchTasks].
func (c *Client) WatchServices(
	ctx context.Context, filter *skepv1.ServiceFilter, options ...WatchOption,
) iter.Seq2[Event[*skepv1.Service], error] {
	request := &skepv1.WatchRequest{Services: cmp.Or(filter, &skepv1.ServiceFilter{})}
	return watch(ctx, c, request, options,
		func(event *skepv1.WatchResponse_Event) *skepv1.Service { return event.GetService() })
}

// WatchNodes gives the nodes that match, then every change. See [Client.WatchTasks].
func (c *Client) WatchNodes(
	ctx context.Context, filter *skepv1.NodeFilter, options ...WatchOption,
) iter.Seq2[Event[*skepv1.Node], error] {
	request := &skepv1.WatchRequest{Nodes: cmp.Or(filter, &skepv1.NodeFilter{})}
	return watch(ctx, c, request, options,
		func(event *skepv1.WatchResponse_Event) *skepv1.Node { return event.GetNode() })
}

// watch follows what a request asks for; pick takes the object out of an event.
func watch[O Object](
	ctx context.Context, c *Client, request *skepv1.WatchRequest, options []WatchOption,
	pick func(*skepv1.WatchResponse_Event) O,
) iter.Seq2[Event[O], error] {
	request.ProgressInterval = durationpb.New(defaultInterval)
	for _, option := range options {
		option(request)
	}
	return func(yield func(Event[O], error) bool) {
		w := follower[O]{client: c, request: proto.CloneOf(request), pick: pick, yield: yield}
		for err := w.follow(ctx); err != nil; err = w.follow(ctx) {
			if err := w.recover(ctx, err); err != nil {
				yield(Event[O]{}, err)
				return
			}
		}
	}
}

// follower is a watch under way.
type follower[O Object] struct {
	client *Client
	// request asks for what comes after the last whole step.
	request  *skepv1.WatchRequest
	pick     func(*skepv1.WatchResponse_Event) O
	yield    func(Event[O], error) bool
	failures int
}

// follow tells what one stream brings, until that breaks, with an error, or nobody listens.
func (w *follower[O]) follow(ctx context.Context) error {
	// The stream ends with the context, but the server is told of no deadline: then it would end
	// the stream itself, as if that were a failure.
	endless, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	limit := max(silentIntervals*w.request.ProgressInterval.AsDuration(), silenceMin)
	silence := time.AfterFunc(limit, cancel)
	defer silence.Stop()
	frames, err := w.client.Watches.Watch(endless, w.request)
	if err != nil {
		return err
	}
	var step []Event[O]
	for {
		silence.Reset(limit)
		frame, err := frames.Recv()
		silence.Stop()
		if err != nil {
			return err
		}
		w.failures = 0
		for _, event := range frame.GetEvents() {
			// An object of a kind that this client does not know is left out.
			if object := w.pick(event); object.GetMeta() != nil {
				step = append(step, Event[O]{Type: typeOf(event.GetType()), Object: object})
			}
		}
		if frame.GetRevision() == 0 {
			continue
		}
		if !w.tell(step, frame) {
			return nil
		}
		step = nil
	}
}

// tell gives out a step that a frame closes, and says whether there is to be more.
func (w *follower[O]) tell(step []Event[O], last *skepv1.WatchResponse) bool {
	if w.request.AfterRevision == 0 {
		all := Event[O]{Type: Reset, Objects: make([]O, 0, len(step))}
		for _, event := range step {
			all.Objects = append(all.Objects, event.Object)
		}
		step = []Event[O]{all}
	}
	w.request.AfterRevision = last.GetRevision()
	for _, event := range step {
		if !w.yield(event, nil) {
			return false
		}
	}
	return w.yield(Event[O]{
		Type: Progress, Revision: last.GetRevision(), HeadRevision: last.GetHeadRevision(),
	}, nil)
}

// recover waits after a failure, to go on or to start over; or gives up.
func (w *follower[O]) recover(ctx context.Context, err error) error {
	// The end of a stream is no Error, and no end of the watch.
	if failure, failed := errors.AsType[*Error](err); failed && ctx.Err() == nil {
		if failure.Code == codes.OutOfRange && !failure.isLocal() {
			w.request.AfterRevision = 0
		} else if !w.client.isPassing(failure) {
			return failure
		}
	}
	w.failures++
	return pause(ctx, backoffAfter(w.failures), "watch")
}

// typeOf reads the type of a change. One of a later release says at least that the object is
// there and is new.
func typeOf(kind skepv1.EventType) EventType {
	switch kind {
	case skepv1.EventType_EVENT_TYPE_ADDED:
		return Added
	case skepv1.EventType_EVENT_TYPE_LEFT:
		return Left
	case skepv1.EventType_EVENT_TYPE_DELETED:
		return Deleted
	}
	return Changed
}
