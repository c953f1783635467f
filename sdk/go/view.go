// SPDX-License-Identifier: Apache-2.0

package skep

// View is a copy of what a watch shows, kept up to date by its events. Between two events of
// type Progress it may show half of a change; at one it is what the swarm was at that revision.
// The zero value is empty and ready.
type View[O Object] struct {
	// Objects are those that match, by id.
	Objects map[string]O
	// Revision is the last one that is complete.
	Revision uint64
}

// Apply takes in an event.
func (v *View[O]) Apply(event Event[O]) {
	if v.Objects == nil || event.Type == Reset {
		v.Objects = make(map[string]O)
	}
	switch event.Type {
	case Reset:
		for _, object := range event.Objects {
			v.Objects[object.GetMeta().GetId()] = object
		}
	case Added, Changed:
		v.Objects[event.Object.GetMeta().GetId()] = event.Object
	case Left, Deleted:
		delete(v.Objects, event.Object.GetMeta().GetId())
	case Progress:
		v.Revision = event.Revision
	}
}
