// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"skep.dev/skep/sdk/go"
	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

// following is an open watch: its loop runs on by itself, one event ahead of who asks.
type following struct {
	events chan fields
	// err is why it ended, once events is closed.
	err    error
	cancel context.CancelFunc
}

func (d *driver) watchOpen(ctx context.Context, asked request) error {
	revision, err := asked.FromRevision.Int64()
	if err != nil {
		return err
	}
	d.begun.Store(uint64(revision), true)
	ctx, cancel := context.WithCancel(ctx)
	w := &following{events: make(chan fields), cancel: cancel}
	from := skep.FromRevision(uint64(revision))
	switch asked.Kind {
	case "tasks":
		filter := &skepv1.TaskFilter{}
		err = parse(asked.Filter, filter)
		follow(ctx, d, w, d.client.WatchTasks(ctx, filter, from))
	case "services":
		filter := &skepv1.ServiceFilter{}
		err = parse(asked.Filter, filter)
		follow(ctx, d, w, d.client.WatchServices(ctx, filter, from))
	case "nodes":
		filter := &skepv1.NodeFilter{}
		err = parse(asked.Filter, filter)
		follow(ctx, d, w, d.client.WatchNodes(ctx, filter, from))
	default:
		err = fmt.Errorf("there is no kind %q to watch", asked.Kind)
	}
	if err != nil {
		cancel()
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watches[asked.Watch] = w
	return nil
}

// follow runs the loop over a watch until that ends or is closed.
func follow[O skep.Object](
	ctx context.Context, d *driver, w *following, watch iter.Seq2[skep.Event[O], error],
) {
	go func() {
		defer close(w.events)
		dropped := d.fault != faultDropEvent
		for event, err := range watch {
			if err != nil {
				w.err = err
				return
			}
			if !dropped && event.Type != skep.Reset && event.Type != skep.Progress {
				dropped = true
				continue
			}
			select {
			case w.events <- tellEvent(event):
			case <-ctx.Done():
				return
			}
		}
	}()
}

func tellEvent[O skep.Object](event skep.Event[O]) fields {
	told := fields{"type": strings.ToLower(string(event.Type))}
	switch event.Type {
	case skep.Reset:
		objects := make([]json.RawMessage, 0, len(event.Objects))
		for _, object := range event.Objects {
			objects = append(objects, render(object))
		}
		told["objects"] = objects
	case skep.Progress:
		told["revision"] = fmt.Sprint(event.Revision)
		told["head_revision"] = fmt.Sprint(event.HeadRevision)
	default:
		told["object"] = render(event.Object)
	}
	return told
}

func (d *driver) watchNext(asked request) (fields, error) {
	w, err := d.watch(asked.Watch)
	if err != nil {
		return nil, err
	}
	late := time.NewTimer(time.Duration(asked.TimeoutMs) * time.Millisecond)
	defer late.Stop()
	select {
	case event, open := <-w.events:
		if open {
			return fields{"event": event}, nil
		}
		if w.err == nil {
			return nil, fmt.Errorf("the watch %q is closed", asked.Watch)
		}
		return nil, w.err
	case <-late.C:
		return fields{"timeout": true}, nil
	}
}

func (d *driver) watchClose(asked request) error {
	w, err := d.watch(asked.Watch)
	if err != nil {
		return err
	}
	w.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.watches, asked.Watch)
	return nil
}

func (d *driver) watch(name string) (*following, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w, open := d.watches[name]; open {
		return w, nil
	}
	return nil, fmt.Errorf("there is no watch %q", name)
}
