package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestYAMLSaysWhatJSONSays(t *testing.T) {
	for _, doc := range []string{
		`{"b":"701","a":701,"when":"2026-11-03","yes":"yes","no":false,"none":null,"empty":[],"nothing":{},"big":12345678901234567890}`,
		`[{"text":"two\nlines","tricky":"- : # {","number":1.5e3,"face":"\ud83d\ude00","control":"\u0001"}]`,
		`"alone"`, `[]`, `[[1],[{"x":[]}]]`,
	} {
		out, err := jsonYAML([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := json.Unmarshal([]byte(doc), &want); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(out, &got); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var back any
		if err := json.Unmarshal(again, &back); err != nil || !reflect.DeepEqual(back, want) {
			t.Errorf("%s became\n%s%v", doc, out, err)
		}
	}
	t.Run("keys stay in their order", func(t *testing.T) {
		if out, _ := jsonYAML([]byte(`{"b":1,"a":2}`)); string(out) != "b: 1\na: 2\n" {
			t.Errorf("%s", out)
		}
	})
	t.Run("a command prints it with -o yaml", func(t *testing.T) {
		sh(t, "version", "-o", "yaml").must(t, OK, "version: 1.2.3\n")
	})
}

func TestProgressIsForPeople(t *testing.T) {
	t.Run("nothing is written where nobody watches", func(t *testing.T) {
		var errs bytes.Buffer
		c := &command{Options: Options{Err: &errs}}
		p := c.progress("replaying", 10)
		p.At(5)
		p.Done()
		if errs.Len() > 0 {
			t.Errorf("%q", errs.String())
		}
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		c.Err = write
		c.progress("replaying", 10).Done()
		_ = write.Close()
		if b, _ := io.ReadAll(read); len(b) > 0 {
			t.Errorf("%q", b)
		}
	})
	t.Run("a bar says what is done of how much, and goes away", func(t *testing.T) {
		var out bytes.Buffer
		p := &progress{bar(&out, "replaying", 200)}
		p.At(200)
		p.Done()
		if s := out.String(); !strings.Contains(s, "replaying") || !strings.Contains(s, "200") || !strings.HasSuffix(s, "\r") {
			t.Errorf("%q", s)
		}
	})
}

func TestColoursAreForTerminals(t *testing.T) {
	c := &command{Options: Options{Out: &bytes.Buffer{}}}
	if s := c.paint(red, "fail"); s != "fail" {
		t.Errorf("%q", s)
	}
}
