package httpapi

import (
	"reflect"
	"testing"
	"time"

	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// What lists show is copied member by member; the domain's JSON says the same of
// every one of them, also of those that are still to come.
func TestWhatIsShownIsWhatIsStored(t *testing.T) {
	same(t, stepOf)
	same(t, queueOf)
	same(t, agentOf)
}

func same[S, T any](t *testing.T, show func(S) T) {
	t.Helper()
	var stored S
	fill(reflect.ValueOf(&stored).Elem())
	want, err := as[T](stored)
	if err != nil {
		t.Fatal(err)
	}
	if got := show(stored); !reflect.DeepEqual(got, want) {
		t.Errorf("%T is shown as\n%+v, and its JSON says\n%+v", stored, got, want)
	}
}

// fill gives every part of a value something that is not its zero.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000, 0).UTC()))
		return
	case time.Duration:
		v.SetInt(int64(90 * time.Second))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.Type().Name() + " of its own")
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field)
		}
	default:
		panic("what is a " + v.Type().String() + "?")
	}
}

// A step of a lot's ladder may be off by a negative duration, which is shown as 0.
func TestDurationsThatAreOff(t *testing.T) {
	off := parking.Step{Do: parking.Recall, Ring: parking.Off}
	want, err := as[Step](off)
	if got := stepOf(off); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, and its JSON says %+v: %v", got, want, err)
	}
	none := queues.Queue{Name: "sales", WrapUp: -time.Second, Agents: []queues.Assignment{}}
	never, err := as[Queue](none)
	if got := queueOf(none); err != nil || !reflect.DeepEqual(got, never) {
		t.Errorf("%+v, and its JSON says %+v: %v", got, never, err)
	}
}
