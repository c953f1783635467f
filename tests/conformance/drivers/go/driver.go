// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

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
	if asked.TimeoutMs > 0 && (asked.Op == "call" || asked.Op == "wait") {
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

// stream gives what a stream sends until there is enough of it, or its time is over. Of that time
// the server is not told.
func (d *driver) stream(ctx context.Context, asked request) (fields, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(time.Duration(asked.TimeoutMs)*time.Millisecond, cancel).Stop()
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
		case ctx.Err() != nil:
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

// change sets members of a spec by their paths in its proto JSON; null takes one away. What is
// beside them stays as it is, also what this release does not know.
func change[S proto.Message](set map[string]json.RawMessage) func(S) {
	return func(spec S) {
		for path, value := range set {
			if err := setIn(spec.ProtoReflect(), strings.Split(path, "."), value); err != nil {
				panic(fmt.Errorf("%s: %w", path, err))
			}
		}
	}
}

// setIn sets what is at a path: of the names of fields, of keys of maps and of numbers of items.
func setIn(message protoreflect.Message, path []string, value json.RawMessage) error {
	field := message.Descriptor().Fields().ByJSONName(path[0])
	switch {
	case field == nil:
		return fmt.Errorf("%s has no field %q", message.Descriptor().FullName(), path[0])
	case len(path) == 1 && string(value) == "null":
		message.Clear(field)
		return nil
	case len(path) == 1:
		made, err := made(message, fields{path[0]: value})
		if err == nil {
			message.Set(field, made.Get(field))
		}
		return err
	case field.IsMap():
		return setInMap(message, field, path, value)
	case field.IsList():
		items := message.Mutable(field).List()
		number, err := strconv.Atoi(path[1])
		if err != nil || number < 0 || number >= items.Len() || len(path) == 2 {
			return fmt.Errorf("%s has no member of an item %q", path[0], path[1:])
		}
		return setIn(items.Get(number).Message(), path[2:], value)
	}
	return setIn(message.Mutable(field).Message(), path[1:], value)
}

// setInMap sets a key of a map of texts.
func setInMap(
	message protoreflect.Message, field protoreflect.FieldDescriptor, path []string, value json.RawMessage,
) error {
	if len(path) > 2 {
		return fmt.Errorf("%s holds texts, with no member %q", path[0], path[2:])
	}
	key := protoreflect.ValueOfString(path[1]).MapKey()
	if string(value) == "null" {
		message.Mutable(field).Map().Clear(key)
		return nil
	}
	made, err := made(message, fields{path[0]: fields{path[1]: value}})
	if err == nil {
		message.Mutable(field).Map().Set(key, made.Get(field).Map().Get(key))
	}
	return err
}

// made is a message as another one, with members.
func made(like protoreflect.Message, members fields) (protoreflect.Message, error) {
	text, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	message := like.New()
	return message, protojson.Unmarshal(text, message.Interface())
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
