package callctl_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
	boxes "github.com/callyard/callyard/voicemail"
)

// mailroom is messages without files: a message's sound has its name.
type mailroom struct {
	mu     sync.Mutex
	list   []boxes.Message // new ones
	did    []string
	loaded int
	slow   time.Duration
	away   error
	no     string // the message whose sound is not here
}

func (m *mailroom) Unheard(_ context.Context, box string) ([]boxes.Message, error) {
	time.Sleep(m.slow)
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []boxes.Message
	for _, x := range m.list {
		if x.Box == box {
			out = append(out, x)
		}
	}
	return out, m.away
}

func (m *mailroom) Load(_ context.Context, msg boxes.Message) (string, func(), error) {
	time.Sleep(m.slow)
	if msg.ID == m.no {
		return "", nil, &boxes.ElsewhereError{Node: "n2"}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loaded++
	return msg.ID, func() { m.mu.Lock(); defer m.mu.Unlock(); m.loaded-- }, nil
}

func (m *mailroom) change(what, id string) (boxes.Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.did = append(m.did, what+" "+id)
	i := slices.IndexFunc(m.list, func(x boxes.Message) bool { return x.ID == id })
	if i < 0 {
		return boxes.Message{}, &boxes.UnknownError{ID: id}
	}
	msg := m.list[i]
	m.list = slices.Delete(slices.Clone(m.list), i, i+1)
	return msg, nil
}

func (m *mailroom) Heard(_ context.Context, id, by string, _ time.Time) (boxes.Message, error) {
	return m.change(by+" heard", id)
}

func (m *mailroom) Delete(_ context.Context, id string) (boxes.Message, error) {
	return m.change("deleted", id)
}

func (m *mailroom) log() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.did, ", ")
}

// hearsMessages is ann's phone, which has dialled *98 for two messages of hers.
func (r *rig) hearsMessages() (ann *phone, id call.ID) {
	for _, id := range []string{"m1", "m2"} {
		r.mail.list = append(r.mail.list, boxes.Message{ID: id, Box: "ann"})
	}
	r.mail.list = append(r.mail.list, boxes.Message{ID: "b1", Box: "bea"})
	ann = r.dials("ann", "*98")
	r.pass(1500 * time.Millisecond)
	return ann, r.book.lastBegun()
}

func TestMessagesAreHeard(t *testing.T) {
	t.Run("how many, each of them, and goodbye", func(t *testing.T) {
		story(t, func(r *rig) {
			ann, id := r.hearsMessages()
			r.is("told how many", ann.hasHeard("clip:2"), true)
			r.hear(ann, "clip:beep+m1")
			r.is("ann", r.state("ann"), queues.Talking)
			r.pass(2 * time.Second)
			r.is("written", r.mail.log(), "ann heard m1")
			r.pass(5 * time.Second) // no key: it is kept
			r.hear(ann, "clip:beep+m2")
			r.pass(10 * time.Second)
			r.is("goodbye", ann.hasHeard("clip:goodbye"), true)
			r.is("over", ann.over(), true)
			r.is("written", r.mail.log(), "ann heard m1, ann heard m2")
			r.is("sounds left", r.mail.loaded, 0)
			r.outcome(id, "messages")
			r.is("ann", r.state("ann"), queues.Idle)
		})
	})
	t.Run("7 deletes, 9 keeps, also in the middle", func(t *testing.T) {
		story(t, func(r *rig) {
			ann, _ := r.hearsMessages()
			ann.press("5") // nothing
			r.hear(ann, "clip:beep+m1")
			ann.press("7")
			r.pass(500 * time.Millisecond)
			r.hear(ann, "clip:beep+m2")
			ann.press("9")
			r.pass(500 * time.Millisecond)
			r.is("written", r.mail.log(), "deleted m1, ann heard m2")
			r.hear(ann, "clip:goodbye")
			ann.press("7") // there is nothing left
			r.pass(2 * time.Second)
			r.is("over", ann.over(), true)
			r.is("sounds left", r.mail.loaded, 0)
		})
	})
	for name, end := range map[string]func(*phone){
		"# ends": func(p *phone) { p.press("#") }, "a rep hangs up": func(p *phone) { p.hangUp() },
	} {
		t.Run(name+": what was not heard stays new", func(t *testing.T) {
			story(t, func(r *rig) {
				ann, _ := r.hearsMessages()
				end(ann)
				r.pass(2 * time.Second)
				r.is("over", ann.over(), true)
				r.is("written", r.mail.log(), "")
				r.is("sounds left", r.mail.loaded, 0)
			})
		})
	}
	t.Run("a disk that hangs keeps no call from hearing a hang-up", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mail.slow = 4 * time.Second
			ann, _ := r.hearsMessages()
			r.pass(5 * time.Second) // the list is there; the first message is being read
			ann.hangUp()
			r.pass(100 * time.Millisecond)
			r.is("ann", r.state("ann"), queues.Idle)
			r.pass(10 * time.Second)
			r.is("sounds left", r.mail.loaded, 0)
		})
	})
	t.Run("a message of another node is passed over and stays new", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mail.no = "m1"
			ann, _ := r.hearsMessages()
			r.hear(ann, "clip:unavailable")
			r.pass(time.Second)
			r.hear(ann, "clip:beep+m2")
			ann.press("9")
			r.pass(5 * time.Second)
			r.is("written", r.mail.log(), "ann heard m2")
			r.is("over", ann.over(), true)
		})
	})
	t.Run("no database: said so", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = append(r.mayLog, "messages not read")
			r.mail.away = errors.New("away")
			ann, _ := r.hearsMessages()
			r.is("told", ann.hasHeard("clip:unavailable+goodbye"), true)
			r.pass(3 * time.Second)
			r.is("over", ann.over(), true)
		})
	})
	t.Run("none", func(t *testing.T) {
		story(t, func(r *rig) {
			carl := r.dials("carl", "*98")
			r.pass(4 * time.Second)
			r.is("told", carl.hasHeard("clip:0"), true)
			r.is("over", carl.over(), true)
		})
	})
}
