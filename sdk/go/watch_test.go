// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

// frame closes a step at a revision; 0 does not close it.
func frame(revision uint64, events ...*skepv1.WatchResponse_Event) *skepv1.WatchResponse {
	return &skepv1.WatchResponse{Revision: revision, HeadRevision: revision + 1, Events: events}
}

func task(kind skepv1.EventType, id string) *skepv1.WatchResponse_Event {
	return &skepv1.WatchResponse_Event{
		Type:   kind,
		Object: &skepv1.WatchResponse_Event_Task{Task: &skepv1.Task{Meta: &skepv1.Meta{Id: id}}},
	}
}

const (
	added   = skepv1.EventType_EVENT_TYPE_ADDED
	changed = skepv1.EventType_EVENT_TYPE_CHANGED
	left    = skepv1.EventType_EVENT_TYPE_LEFT
	deleted = skepv1.EventType_EVENT_TYPE_DELETED
)

// told is an event in a few characters.
func told(event Event[*skepv1.Task]) string {
	switch event.Type {
	case Reset:
		var ids []string
		for _, object := range event.Objects {
			ids = append(ids, object.GetMeta().GetId())
		}
		return "Reset[" + strings.Join(ids, " ") + "]"
	case Progress:
		return fmt.Sprintf("%d/%d", event.Revision, event.HeadRevision)
	}
	return string(event.Type) + " " + event.Object.GetMeta().GetId()
}

// follow watches until a revision is complete, or to the end.
func follow(
	ctx context.Context, client *Client, last uint64, options ...WatchOption,
) (seen []string, err error) {
	for event, err := range client.WatchTasks(ctx, nil, options...) {
		if err != nil {
			return seen, err
		}
		seen = append(seen, told(event))
		if event.Type == Progress && event.Revision == last {
			return seen, nil
		}
	}
	return seen, errors.New("the watch ended without an error")
}

func expect(t *testing.T, f *fake, seen []string, want []string, after []uint64) {
	t.Helper()
	if !slices.Equal(seen, want) {
		t.Errorf("the watch told %q, not %q", seen, want)
	}
	if got := f.watches.after(); !slices.Equal(got, after) {
		t.Errorf("streams went on from %v, not from %v", got, after)
	}
}

func TestAWatchTellsWholeSteps(t *testing.T) {
	f := start(t)
	f.watches.script(frames{frames: []*skepv1.WatchResponse{
		frame(0, task(added, "a")),
		frame(3, task(added, "b")),
		frame(5, task(changed, "a"), task(left, "b")),
		frame(0, task(deleted, "a")),
		frame(6, task(added, "c"), task(99, "d")),
		frame(9),
	}})
	seen, err := follow(limited(t), f.client(t), 9)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, f, seen, []string{
		"Reset[a b]", "3/4", "Changed a", "Left b", "5/6", "Deleted a", "Added c", "Changed d", "6/7", "9/10",
	}, []uint64{0})
}

func TestAWatchGoesOnFromTheLastWholeStep(t *testing.T) {
	f := start(t)
	f.watches.script(
		// Cut in the middle of a step: what is told of it comes again.
		frames{frames: []*skepv1.WatchResponse{
			frame(3, task(added, "a")), frame(4, task(added, "b")), frame(0, task(added, "c")),
		}, err: refusal(codes.Unavailable, "MANAGER_NOT_READY", nil)},
		frames{err: refusal(codes.Unavailable, "NO_QUORUM", nil)},
		frames{frames: []*skepv1.WatchResponse{frame(6, task(added, "c"), task(changed, "a"))}},
	)
	seen, err := follow(limited(t), f.client(t), 6)
	if err != nil {
		t.Fatal(err)
	}
	after := f.watches.after()
	want := []string{"Reset[a]", "3/4", "Added b", "4/5", "Added c", "Changed a", "6/7"}
	// gRPC itself has repeated the stream that was refused before its first frame.
	expect(t, f, seen, want, append([]uint64{0}, slices.Repeat([]uint64{4}, len(after)-1)...))
}

func TestAWatchBeginsWhereItIsTold(t *testing.T) {
	f := start(t)
	f.watches.script(frames{frames: []*skepv1.WatchResponse{frame(8, task(added, "b"))}})
	seen, err := follow(limited(t), f.client(t), 8, FromRevision(7))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, f, seen, []string{"Added b", "8/9"}, []uint64{7})
}

func TestHistoryThatIsGoneMeansANewSnapshot(t *testing.T) {
	f := start(t)
	f.watches.script(
		frames{err: refusal(codes.OutOfRange, "REVISION_COMPACTED", nil)},
		frames{frames: []*skepv1.WatchResponse{frame(0, task(added, "x"))},
			err: refusal(codes.Unavailable, "NO_QUORUM", nil)},
		frames{frames: []*skepv1.WatchResponse{frame(50, task(added, "z")), frame(51, task(deleted, "z"))}},
	)
	seen, err := follow(limited(t), f.client(t), 51, FromRevision(7))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, f, seen, []string{"Reset[z]", "50/51", "Deleted z", "51/52"}, []uint64{7, 0, 0})
}

func TestOnlyAServerCanSayThatHistoryIsGone(t *testing.T) {
	f := start(t)
	f.watches.script(
		frames{err: status.Error(codes.OutOfRange, "said on the way")},
		frames{frames: []*skepv1.WatchResponse{frame(8, task(added, "b"))}},
	)
	seen, err := follow(limited(t), f.client(t), 8, FromRevision(7))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, f, seen, []string{"Added b", "8/9"}, []uint64{7, 7})
}

func TestAWatchOutlivesARestartOfTheDaemon(t *testing.T) {
	f := start(t)
	f.watches.script(
		frames{frames: []*skepv1.WatchResponse{frame(3)}},
		frames{frames: []*skepv1.WatchResponse{frame(4, task(added, "a"))}},
	)
	client := f.client(t)
	var seen []string
	for event, err := range client.WatchTasks(limited(t), nil) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, told(event))
		if event.Revision == 3 {
			f.server.Stop()
			f.serve(t)
		}
		if event.Revision == 4 {
			break
		}
	}
	expect(t, f, seen, []string{"Reset[]", "3/4", "Added a", "4/5"}, []uint64{0, 3})
}

func TestASilentServerIsLeft(t *testing.T) {
	f := start(t)
	f.watches.script(
		frames{frames: []*skepv1.WatchResponse{frame(3)}},
		frames{frames: []*skepv1.WatchResponse{frame(4)}},
	)
	seen, err := follow(limited(t), f.client(t), 4, ProgressInterval(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, f, seen, []string{"Reset[]", "3/4", "4/5"}, []uint64{0, 3})
}

func TestAWatchEndsWithWhatRepeatingCannotCure(t *testing.T) {
	f := start(t)
	f.watches.script(frames{err: refusal(codes.InvalidArgument, "INVALID_FIELD", nil)})
	seen, err := follow(limited(t), f.client(t), 1)
	if !IsReason(err, "INVALID_FIELD") {
		t.Error(err)
	}
	expect(t, f, seen, nil, []uint64{0})
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	client := start(t).client(t)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := follow(ctx, client, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := follow(ctx, client, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestEachKindIsAskedForByItsFilter(t *testing.T) {
	f := start(t)
	client := f.client(t)
	next := func() {
		f.watches.script(frames{err: refusal(codes.InvalidArgument, "INVALID_FIELD", nil)})
	}
	next()
	for range client.WatchServices(limited(t), nil) {
		next()
	}
	for range client.WatchNodes(limited(t), &skepv1.NodeFilter{Nodes: []string{"n"}}) {
		next()
	}
	for range client.WatchTasks(limited(t), nil) {
		next()
	}
	asked := f.watches.asked
	if len(asked) != 3 || asked[0].Services == nil || asked[0].Tasks != nil ||
		asked[1].GetNodes().GetNodes()[0] != "n" || asked[2].Tasks == nil {
		t.Error(asked)
	}
}

func TestAViewFollowsItsWatch(t *testing.T) {
	var view View[*skepv1.Task]
	object := func(id, name string) *skepv1.Task {
		return &skepv1.Task{Meta: &skepv1.Meta{Id: id}, Name: name}
	}
	for _, event := range []Event[*skepv1.Task]{
		{Type: Reset, Objects: []*skepv1.Task{object("a", "1"), object("b", "1")}},
		{Type: Progress, Revision: 4, HeadRevision: 4},
		{Type: Added, Object: object("c", "1")},
		{Type: Changed, Object: object("a", "2")},
		{Type: Left, Object: object("b", "9")},
		{Type: Deleted, Object: object("z", "1")},
	} {
		view.Apply(event)
	}
	if len(view.Objects) != 2 || view.Objects["a"].GetName() != "2" || view.Objects["c"] == nil || view.Revision != 4 {
		t.Errorf("%+v", view)
	}
	view.Apply(Event[*skepv1.Task]{Type: Reset})
	if len(view.Objects) != 0 {
		t.Errorf("%+v", view)
	}
}
