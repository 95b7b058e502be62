package httpapi_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/httpapi"
)

// The committed document is what clients are generated from. UPDATE=1 writes it anew.
func TestOpenAPIDocument(t *testing.T) {
	const path = "../../docs/openapi.json"
	got, err := httpapi.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/openapi.json is not what the code says; run make openapi")
	}
}

func TestOpenAPIConventions(t *testing.T) {
	doc, err := httpapi.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string                    `json:"operationId"`
			Security    []map[string][]string     `json:"security"`
			Responses   map[string]map[string]any `json:"responses"`
			Parameters  []struct{ Name string }
		} `json:"paths"`
	}
	if err := json.Unmarshal(doc, &api); err != nil {
		t.Fatal(err)
	}
	if api.OpenAPI != "3.1.0" || len(api.Paths) < 30 {
		t.Fatalf("openapi %s with %d paths", api.OpenAPI, len(api.Paths))
	}
	seen := map[string]bool{}
	for path, methods := range api.Paths {
		if !strings.HasPrefix(path, "/v1/") {
			t.Errorf("%s is outside /v1", path)
		}
		for method, o := range methods {
			if o.OperationID == "" || seen[o.OperationID] {
				t.Errorf("%s %s: operation id %q", method, path, o.OperationID)
			}
			seen[o.OperationID] = true
			open := o.OperationID == "sign_in" // the one that is for everybody
			if !open && (len(o.Security) != 2 || len(o.Security[0]["key"]) != 1 || len(o.Security[1]["session"]) != 1) || open && len(o.Security) != 0 {
				t.Errorf("%s %s says no scope, or no role", method, path)
			}
			if o.Responses["default"] == nil {
				t.Errorf("%s %s does not say what a problem looks like", method, path)
			}
			repeatable := false
			for _, p := range o.Parameters {
				repeatable = repeatable || p.Name == "Idempotency-Key"
			}
			if repeatable != (method == "post" && !open) {
				t.Errorf("%s %s: Idempotency-Key %v", method, path, repeatable)
			}
		}
	}
	if bytes.Contains(doc, []byte(`"$schema"`)) {
		t.Error("bodies are said to have $schema")
	}
}
