package routing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	maxDocument = 1 << 20 // bytes; the largest flow in sight has 200 nodes and 60 kB
	maxDepth    = 32
)

// readTree reads a JSON document into maps, lists, strings, float64, bool and
// nil. A key given twice is a fault: encoding/json would silently take the last.
func readTree(doc []byte, out *faults) (any, error) {
	if len(doc) > maxDocument {
		return nil, fmt.Errorf("the document is larger than %d bytes", maxDocument)
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	v, err := readValue(dec, place{}, 0, out)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("not JSON: byte %d: %w", dec.InputOffset(), err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("not JSON: byte %d: something follows the document", dec.InputOffset())
	}
	return v, nil
}

func readValue(dec *json.Decoder, at place, depth int, out *faults) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '{' {
			return readObject(dec, at, depth, out)
		}
		return readList(dec, at, depth, out)
	case json.Number:
		f, err := tok.Float64()
		if err != nil || math.IsInf(f, 0) {
			out.err(at, "%s is out of range", tok)
			f = 0
		}
		return f, nil
	default:
		return tok, nil
	}
}

func readObject(dec *json.Decoder, at place, depth int, out *faults) (any, error) {
	m := map[string]any{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := tok.(string) // the decoder has made sure
		v, err := readValue(dec, at.in(key), depth+1, out)
		if err != nil {
			return nil, err
		}
		if _, twice := m[key]; twice {
			out.err(at.in(key), "%q is given twice", key)
		}
		m[key] = v
	}
	_, err := dec.Token()
	return m, err
}

func readList(dec *json.Decoder, at place, depth int, out *faults) (any, error) {
	list := []any{}
	for dec.More() {
		v, err := readValue(dec, at.item(len(list)), depth+1, out)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := dec.Token()
	return list, err
}
