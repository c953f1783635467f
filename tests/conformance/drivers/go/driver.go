// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"skep.dev/skep/sdk/go"
	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

// driver is what is open.
type driver struct {
	fault   string
	writing sync.Mutex

	mu      sync.Mutex
	client  *skep.Client
	watches map[string]*following
	// begun are the revisions that watches were asked to begin after.
	begun sync.Map
}

func (d *driver) do(ctx context.Context, asked request) (fields, error) {
	if asked.Op != "connect" && d.client == nil {
		return nil, errors.New("connect first")
	}
	if asked.TimeoutMs > 0 && (asked.Op == "call" || asked.Op == "stream" || asked.Op == "wait") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(asked.TimeoutMs)*time.Millisecond)
		defer cancel()
	}
	switch asked.Op {
	case "connect":
		return nil, d.connect(ctx, asked)
	case "call":
		return d.call(ctx, asked)
	case "stream":
		return d.stream(ctx, asked)
	case "watch_open":
		return nil, d.watchOpen(ctx, asked)
	case "watch_next":
		return d.watchNext(asked)
	case "watch_close":
		return nil, d.watchClose(asked)
	case "wait":
		return d.wait(ctx, asked)
	case "edit":
		return d.edit(ctx, asked)
	case "close":
		return nil, d.client.Close()
	}
	return nil, fmt.Errorf("there is no op %q", asked.Op)
}

func (d *driver) connect(ctx context.Context, asked request) error {
	client, err := skep.Connect(ctx, skep.WithHost(asked.Host), d.faulty())
	if err == nil {
		d.client = client
	}
	return err
}

// invoke calls a method of a stub by its name.
func (d *driver) invoke(ctx context.Context, asked request) ([]reflect.Value, error) {
	service, name, _ := strings.Cut(asked.Method, "/")
	stub, known := map[string]any{
		"DaemonService": d.client.Daemon, "SwarmService": d.client.Swarm, "NodeService": d.client.Nodes,
		"ServiceService": d.client.Services, "TaskService": d.client.Tasks,
		"WatchService": d.client.Watches, "LogService": d.client.Logs,
	}[service]
	if !known || !reflect.ValueOf(stub).MethodByName(name).IsValid() {
		return nil, fmt.Errorf("there is no method %q", asked.Method)
	}
	method := reflect.ValueOf(stub).MethodByName(name)
	message := reflect.New(method.Type().In(1).Elem())
	if err := parse(asked.Request, message.Interface().(proto.Message)); err != nil {
		return nil, err
	}
	results := method.Call([]reflect.Value{reflect.ValueOf(ctx), message})
	if err, failed := results[1].Interface().(error); failed {
		return nil, err
	}
	return results, nil
}

func (d *driver) call(ctx context.Context, asked request) (fields, error) {
	results, err := d.invoke(ctx, asked)
	if err != nil {
		return nil, err
	}
	return fields{"response": render(results[0].Interface())}, nil
}

// stream gives what a stream sends until there is enough of it, or its time is over.
func (d *driver) stream(ctx context.Context, asked request) (fields, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results, err := d.invoke(ctx, asked)
	if err != nil {
		return nil, err
	}
	receive := results[0].MethodByName("Recv")
	responses := []json.RawMessage{}
	for asked.Max <= 0 || len(responses) < asked.Max {
		next := receive.Call(nil)
		err, _ := next[1].Interface().(error)
		switch {
		case errors.Is(err, io.EOF):
			return fields{"responses": responses, "ended": true}, nil
		case errors.Is(err, context.DeadlineExceeded):
			return fields{"responses": responses, "ended": false}, nil
		case err != nil:
			return nil, err
		}
		responses = append(responses, render(next[0].Interface()))
	}
	return fields{"responses": responses, "ended": false}, nil
}

func (d *driver) wait(ctx context.Context, asked request) (fields, error) {
	found, err := d.client.Services.GetService(ctx, &skepv1.GetServiceRequest{Service: asked.Service})
	if err != nil {
		return nil, err
	}
	var options []skep.WaitOption
	if asked.StableForMs != nil {
		options = append(options, skep.StableFor(time.Duration(*asked.StableForMs)*time.Millisecond))
	}
	service, err := d.client.WaitConverged(ctx, found.GetService(), options...)
	if err != nil {
		return nil, err
	}
	return fields{"service": render(service)}, nil
}

func (d *driver) edit(ctx context.Context, asked request) (fields, error) {
	switch asked.Kind {
	case "service":
		return edited(d.client.EditService(ctx, asked.Name, change[*skepv1.ServiceSpec](asked.Set)))
	case "node":
		return edited(d.client.EditNode(ctx, asked.Name, change[*skepv1.NodeSpec](asked.Set)))
	case "swarm":
		return edited(d.client.EditSwarm(ctx, change[*skepv1.SwarmSpec](asked.Set)))
	}
	return nil, fmt.Errorf("there is no kind %q to edit", asked.Kind)
}

func edited[O skep.Object](done skep.Edited[O], err error) (fields, error) {
	if err != nil {
		return nil, err
	}
	return fields{
		"changed": done.Changed, "revision": fmt.Sprint(done.Revision), "object": render(done.Object),
	}, nil
}

// change sets members of a spec by their paths in its proto JSON; null takes one away.
func change[S proto.Message](set map[string]json.RawMessage) func(S) {
	return func(spec S) {
		text, err := protojson.Marshal(spec)
		if err != nil {
			panic(err)
		}
		for path, value := range set {
			text = setIn(text, strings.Split(path, "."), value)
		}
		proto.Reset(spec)
		if err := protojson.Unmarshal(text, spec); err != nil {
			panic(err)
		}
	}
}

// setIn puts a value at a path into a JSON object.
func setIn(object json.RawMessage, path []string, value json.RawMessage) json.RawMessage {
	if len(path) == 0 {
		return value
	}
	members := map[string]json.RawMessage{}
	if len(object) > 0 {
		if err := json.Unmarshal(object, &members); err != nil {
			panic(err)
		}
	}
	if len(path) == 1 && string(value) == "null" {
		delete(members, path[0])
	} else {
		members[path[0]] = setIn(members[path[0]], path[1:], value)
	}
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return text
}

// parse reads proto JSON; nothing is an empty message.
func parse(text json.RawMessage, message proto.Message) error {
	if len(text) == 0 || string(text) == "null" {
		return nil
	}
	return protojson.Unmarshal(text, message)
}

// render writes proto JSON.
func render(message any) json.RawMessage {
	text, err := protojson.Marshal(message.(proto.Message))
	if err != nil {
		panic(err)
	}
	return text
}
