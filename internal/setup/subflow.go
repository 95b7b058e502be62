package setup

import (
	"context"
	"encoding/json"

	"github.com/callyard/callyard/routing"
)

// callable finds the flows that a flow may call: those of the documents, and the
// live ones that are stored. One that cannot be read now counts as not there;
// publishing reads it again.
func callable(ctx context.Context, s Stores, docs []Document) func(string) *routing.Flow {
	found := map[string]*routing.Flow{}
	for _, d := range docs {
		for _, doc := range d.Flows {
			if f, err := routing.Parse(doc); err == nil {
				found[f.Name()] = f
			}
		}
	}
	return func(name string) *routing.Flow {
		f, known := found[name]
		if !known {
			if v, err := s.Routes.LiveVersion(ctx, name); err == nil {
				f, _ = v.Parse()
			}
			found[name] = f
		}
		return f
	}
}

// published are the names of the flows that callable finds.
func published(ctx context.Context, s Stores, docs []Document) (names []string) {
	for _, d := range docs {
		for _, doc := range d.Flows {
			if f, err := routing.Parse(doc); err == nil {
				names = append(names, f.Name())
			}
		}
	}
	stored, _ := s.Routes.Flows(ctx) // they are hints
	for _, f := range stored {
		if f.Live != 0 {
			names = append(names, f.Name)
		}
	}
	return names
}

// calledFirst puts flows in an order in which each comes after those that it
// calls, so that each can be published when its turn comes.
func calledFirst(docs []json.RawMessage) []json.RawMessage {
	type one struct {
		doc   json.RawMessage
		calls []string
	}
	byName := map[string]one{}
	var names []string
	for _, doc := range docs {
		f, err := routing.Parse(doc)
		if err != nil {
			return docs // Check has said so before
		}
		names = append(names, f.Name())
		byName[f.Name()] = one{doc, f.Calls()}
	}
	var out []json.RawMessage
	var put func(name string)
	put = func(name string) {
		f, ok := byName[name]
		if !ok {
			return
		}
		delete(byName, name)
		for _, called := range f.calls {
			put(called)
		}
		out = append(out, f.doc)
	}
	for _, name := range names {
		put(name)
	}
	return out
}
