// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

// editRounds is how often an edit starts over because someone else changed the object meanwhile.
const editRounds = 10

// editPauseMax is the longest pause before it does, of a random length: someone who writes all the
// time would else win every race.
const editPauseMax = 200 * time.Millisecond

// Edited is what came of an edit.
type Edited[O Object] struct {
	// Object is as it now is.
	Object O
	// Revision is that of the change; of the read if there was nothing to change.
	Revision uint64
	// Changed tells whether the function changed anything.
	Changed bool
}

// EditService changes a service, named by id or name. It reads the service, lets change alter a
// copy of its spec, and sends what differs, and only that, for the spec that was read; if someone
// else was faster it starts over. So change may run several times, on the newest spec each time,
// and must come to the same end. Fields that it does not touch stay as they are, those that this
// release does not know included. If nothing differs, nothing is sent.
//
// It fails as GetService and UpdateService do; with SPEC_REVISION_MISMATCH only if others win
// ten times in a row.
func (c *Client) EditService(
	ctx context.Context, service string, change func(*skepv1.ServiceSpec),
) (Edited[*skepv1.Service], error) {
	return edit(ctx, change,
		func() (*skepv1.Service, uint64, error) {
			answer, err := c.Services.GetService(ctx, &skepv1.GetServiceRequest{Service: service})
			return answer.GetService(), answer.GetRevision(), err
		},
		func(meta *skepv1.Meta, spec *skepv1.ServiceSpec, mask *fieldmaskpb.FieldMask) (*skepv1.Service, uint64, error) {
			answer, err := c.Services.UpdateService(ctx, &skepv1.UpdateServiceRequest{
				Service: meta.GetId(), Spec: spec, UpdateMask: mask, IfSpecRevision: meta.GetSpecRevision(),
			})
			return answer.GetService(), answer.GetRevision(), err
		})
}

// EditNode changes a node, named by id or name. See [Client.EditService].
func (c *Client) EditNode(
	ctx context.Context, node string, change func(*skepv1.NodeSpec),
) (Edited[*skepv1.Node], error) {
	return edit(ctx, change,
		func() (*skepv1.Node, uint64, error) {
			answer, err := c.Nodes.GetNode(ctx, &skepv1.GetNodeRequest{Node: node})
			return answer.GetNode(), answer.GetRevision(), err
		},
		func(meta *skepv1.Meta, spec *skepv1.NodeSpec, mask *fieldmaskpb.FieldMask) (*skepv1.Node, uint64, error) {
			answer, err := c.Nodes.UpdateNode(ctx, &skepv1.UpdateNodeRequest{
				Node: meta.GetId(), Spec: spec, UpdateMask: mask, IfSpecRevision: meta.GetSpecRevision(),
			})
			return answer.GetNode(), answer.GetRevision(), err
		})
}

// EditSwarm changes the settings of the swarm. See [Client.EditService].
func (c *Client) EditSwarm(
	ctx context.Context, change func(*skepv1.SwarmSpec),
) (Edited[*skepv1.Swarm], error) {
	return edit(ctx, change,
		func() (*skepv1.Swarm, uint64, error) {
			answer, err := c.Swarm.GetSwarm(ctx, &skepv1.GetSwarmRequest{})
			return answer.GetSwarm(), answer.GetRevision(), err
		},
		func(meta *skepv1.Meta, spec *skepv1.SwarmSpec, mask *fieldmaskpb.FieldMask) (*skepv1.Swarm, uint64, error) {
			answer, err := c.Swarm.UpdateSwarm(ctx, &skepv1.UpdateSwarmRequest{
				Spec: spec, UpdateMask: mask, IfSpecRevision: meta.GetSpecRevision(),
			})
			return answer.GetSwarm(), answer.GetRevision(), err
		})
}

// editable is an object with a spec S.
type editable[S proto.Message] interface {
	Object
	GetSpec() S
}

func edit[O editable[S], S proto.Message](
	ctx context.Context,
	change func(S),
	get func() (O, uint64, error),
	update func(*skepv1.Meta, S, *fieldmaskpb.FieldMask) (O, uint64, error),
) (Edited[O], error) {
	for round := 1; ; round++ {
		object, revision, err := get()
		if err != nil {
			return Edited[O]{}, err
		}
		before := object.GetSpec().ProtoReflect()
		after, sparse := before.New(), before.New()
		proto.Merge(after.Interface(), before.Interface())
		change(after.Interface().(S))
		paths := diff(before, after, sparse, "")
		if len(paths) == 0 {
			return Edited[O]{Object: object, Revision: revision}, nil
		}
		mask := &fieldmaskpb.FieldMask{Paths: paths}
		object, revision, err = update(object.GetMeta(), sparse.Interface().(S), mask)
		if err == nil {
			return Edited[O]{Object: object, Revision: revision, Changed: true}, nil
		}
		if round == editRounds || !IsReason(err, "SPEC_REVISION_MISMATCH") {
			return Edited[O]{}, err
		}
		if err := pause(ctx, rand.N(editPauseMax), "edit"); err != nil {
			return Edited[O]{}, err
		}
	}
}

// diff gives the paths of all fields that differ, outermost first, and sets them in sparse to what
// they are after. A field is entered if it is a single message that both sides have; lists, maps,
// and well-known types are taken whole.
func diff(before, after, sparse protoreflect.Message, prefix string) (paths []string) {
	fields := before.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		path := prefix + string(field.Name())
		had, has := before.Has(field), after.Has(field)
		switch {
		case had && has && isEntered(field):
			within := sparse.NewField(field)
			inner := diff(before.Get(field).Message(), after.Get(field).Message(), within.Message(), path+".")
			if len(inner) > 0 {
				sparse.Set(field, within)
				paths = append(paths, inner...)
			}
		case had != has, had && !before.Get(field).Equal(after.Get(field)):
			paths = append(paths, path)
			if has {
				sparse.Set(field, after.Get(field))
			}
		}
	}
	return paths
}

func isEntered(field protoreflect.FieldDescriptor) bool {
	message := field.Message()
	return message != nil && !field.IsList() && !field.IsMap() &&
		message.ParentFile().Package() != "google.protobuf"
}
