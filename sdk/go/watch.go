// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"context"
	"iter"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

const (
	// defaultInterval is the longest silence between two frames if the caller sets none.
	defaultInterval = 5 * time.Second
	// silentIntervals is how many intervals of silence mean that the other side is gone.
	silentIntervals = 3
)

// Object is what can be watched: a task, a service or a node.
type Object interface {
	proto.Message
	GetMeta() *skepv1.Meta
}

// EventType says what an [Event] tells.
type EventType int

const (
	// Reset gives all there is in Objects: replace whatever you held. First of all, and again
	// if the server no longer has the history that was needed to go on.
	Reset EventType = iota + 1
	// Added gives an Object that was made, or began to match.
	Added
	// Changed gives an Object that changed and still matches.
	Changed
	// Left gives an Object that still exists but no longer matches.
	Left
	// Deleted gives the last state of an Object that is gone.
	Deleted
	// Progress says that everything through Revision has been told. What lies between two of
	// these happened as one.
	Progress
)

// String is the name of the type.
func (t EventType) String() string {
	names := [...]string{"Unknown", "Reset", "Added", "Changed", "Left", "Deleted", "Progress"}
	if t < 0 || int(t) >= len(names) {
		return names[0]
	}
	return names[t]
}

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
	if filter == nil {
		filter = &skepv1.TaskFilter{}
	}
	return watch(ctx, c, &skepv1.WatchRequest{Tasks: filter}, options,
		func(event *skepv1.WatchResponse_Event) *skepv1.Task { return event.GetTask() })
}

// WatchServices gives the services that match, then every change. See [Client.WatchTasks].
func (c *Client) WatchServices(
	ctx context.Context, filter *skepv1.ServiceFilter, options ...WatchOption,
) iter.Seq2[Event[*skepv1.Service], error] {
	if filter == nil {
		filter = &skepv1.ServiceFilter{}
	}
	return watch(ctx, c, &skepv1.WatchRequest{Services: filter}, options,
		func(event *skepv1.WatchResponse_Event) *skepv1.Service { return event.GetService() })
}

// WatchNodes gives the nodes that match, then every change. See [Client.WatchTasks].
func (c *Client) WatchNodes(
	ctx context.Context, filter *skepv1.NodeFilter, options ...WatchOption,
) iter.Seq2[Event[*skepv1.Node], error] {
	if filter == nil {
		filter = &skepv1.NodeFilter{}
	}
	return watch(ctx, c, &skepv1.WatchRequest{Nodes: filter}, options,
		func(event *skepv1.WatchResponse_Event) *skepv1.Node { return event.GetNode() })
}

// watch follows what a request asks for; pick takes the object out of an event.
func watch[O Object](
	ctx context.Context, c *Client, request *skepv1.WatchRequest, options []WatchOption,
	pick func(*skepv1.WatchResponse_Event) O,
) iter.Seq2[Event[O], error] {
	for _, option := range options {
		option(request)
	}
	return func(yield func(Event[O], error) bool) {
		w := follower[O]{
			client: c, request: proto.CloneOf(request), pick: pick,
		}
		defer w.close()
		for {
			events, err := w.nextStep(ctx)
			if err != nil {
				yield(Event[O]{}, err)
				return
			}
			for _, event := range events {
				if !yield(event, nil) {
					return
				}
			}
		}
	}
}

// follower is a watch between two steps.
type follower[O Object] struct {
	client *Client
	// request asks for what comes after the last whole step.
	request *skepv1.WatchRequest
	pick    func(*skepv1.WatchResponse_Event) O
	// frames is nil if there is no stream; cancel ends it, and silence would.
	frames   skepv1.WatchService_WatchClient
	cancel   context.CancelFunc
	silence  *time.Timer
	failures int
}

// nextStep gives the events of the next whole step.
func (w *follower[O]) nextStep(ctx context.Context) ([]Event[O], error) {
	for {
		events, err := w.readStep(ctx)
		if err == nil {
			return events, nil
		}
		w.close()
		if err := w.recover(ctx, err); err != nil {
			return nil, err
		}
	}
}

// readStep collects frames, from a new stream if there is none, until one closes its step.
func (w *follower[O]) readStep(ctx context.Context) ([]Event[O], error) {
	if w.frames == nil {
		if err := w.open(ctx); err != nil {
			return nil, err
		}
	}
	var step []Event[O]
	for {
		w.silence.Reset(w.interval() * silentIntervals)
		frame, err := w.frames.Recv()
		w.silence.Stop()
		if err != nil {
			return nil, err
		}
		w.failures = 0
		for _, event := range frame.GetEvents() {
			// An object of a kind that this client does not know is left out.
			if object := w.pick(event); object.GetMeta() != nil {
				step = append(step, Event[O]{Type: typeOf(event.GetType()), Object: object})
			}
		}
		if frame.GetRevision() != 0 {
			return w.whole(step, frame), nil
		}
	}
}

// open begins a stream. It ends with the context, but the server is told of no deadline: then it
// would end the stream itself, as if that were a failure.
func (w *follower[O]) open(ctx context.Context) error {
	endless, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	w.cancel = func() { stop(); cancel() }
	w.silence = time.AfterFunc(w.interval()*silentIntervals, w.cancel)
	frames, err := w.client.Watches.Watch(endless, w.request)
	w.silence.Stop()
	if err != nil {
		return err
	}
	w.frames = frames
	return nil
}

// close ends the stream, if there is one.
func (w *follower[O]) close() {
	if w.cancel != nil {
		w.silence.Stop()
		w.cancel()
	}
	w.frames, w.cancel = nil, nil
}

func (w *follower[O]) interval() time.Duration {
	if w.request.ProgressInterval != nil {
		return w.request.ProgressInterval.AsDuration()
	}
	return defaultInterval
}

// whole makes the events of a step that a frame closes.
func (w *follower[O]) whole(step []Event[O], last *skepv1.WatchResponse) []Event[O] {
	isSnapshot := w.request.AfterRevision == 0
	w.request.AfterRevision = last.GetRevision()
	if isSnapshot {
		all := Event[O]{Type: Reset, Objects: make([]O, 0, len(step))}
		for _, event := range step {
			all.Objects = append(all.Objects, event.Object)
		}
		step = []Event[O]{all}
	}
	return append(step, Event[O]{
		Type: Progress, Revision: last.GetRevision(), HeadRevision: last.GetHeadRevision(),
	})
}

// recover waits after a failure, to go on or to start over; or gives up.
func (w *follower[O]) recover(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ended(ctx, "the watch was canceled", "the time for the watch is over")
	}
	failure := read(err, w.client.host)
	switch {
	case w.client.conn.GetState() == connectivity.Shutdown:
		return failure
	case failure.isLocal() && (failure.Code == codes.InvalidArgument || failure.Code == codes.Unimplemented):
		// What the caller got wrong stays wrong; connections come back.
		return failure
	case failure.isLocal(), failure.Code == codes.Unavailable:
	case failure.Code == codes.OutOfRange:
		w.request.AfterRevision = 0
	default:
		return failure
	}
	w.failures++
	wait := time.NewTimer(backoffAfter(w.failures))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ended(ctx, "the watch was canceled", "the time for the watch is over")
	}
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
