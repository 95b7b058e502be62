package routing_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/callyard/callyard/routing"
)

// Texts are as long as their schemas say, in characters and not in bytes.
func TestTextsAreMeasuredInCharacters(t *testing.T) {
	parse := func(says int) error {
		_, err := routing.Parse(fmt.Appendf(nil, `{"schema": "callflow/v1", "name": "line", "entry": "hello", "handlers": {"hangup": "bye"}, "nodes": {
			"hello": {"type": "play", "cfg": {"say": "%s"}, "on": {"next": "bye"}}, "bye": {"type": "hangup"}}}`, strings.Repeat("ñ", says)))
		return err
	}
	if err := parse(2000); err != nil {
		t.Error(err)
	}
	if e, ok := errors.AsType[*routing.ParseError](parse(2001)); !ok || !strings.Contains(e.Findings[0].Message, "longer than 2000 characters") {
		t.Errorf("2001 characters: %v", e)
	}
	if _, err := routing.EvalBool(`"`+strings.Repeat("ñ", 900)+`" == ""`, scope()); err != nil {
		t.Errorf("a condition of 900 characters: %v", err)
	}
}
