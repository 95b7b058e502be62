//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	asksPerSecond  = 200 // below what one key may ask for, 300
	askConnections = 8
	asksFor        = 10 * time.Second
)

// shares of fifty requests. What is not listed is the changes: of a lot and of a
// number, in turn.
var shares = []struct {
	path string
	of50 int
}{
	{"/v1/parked_calls", 15},
	{"/v1/agents", 10},
	{"/v1/calls?limit=50", 10},
	{"/v1/queues", 8},
	{"/v1/calls/{id}/timeline", 6},
}

// dashboard asks for what screens show and now and then changes something, while
// callers are parked.
func (b *bench) dashboard(ctx context.Context) error {
	key, err := b.hub.Key()
	if err != nil {
		return err
	}
	calls, err := b.park(ctx, b.size.half, hallOne)
	if err != nil {
		return err
	}
	api := &asker{url: "http://" + b.hub.Web.String(), key: key, http: &http.Client{
		Transport: &http.Transport{MaxConnsPerHost: askConnections, MaxIdleConnsPerHost: askConnections},
		Timeout:   10 * time.Second,
	}}
	defer api.http.CloseIdleConnections()
	ids, err := api.live(ctx)
	if err != nil {
		return err
	}
	quiet, err := b.over(ctx, 3*time.Second)
	if err != nil {
		return err
	}
	next := mixed(ids)
	if _, err := paced(ctx, asksPerSecond, asksPerSecond, next, api.send); err != nil { // opens the connections
		return err
	}
	before, err := b.hub.Usage()
	if err != nil {
		return err
	}
	profiled := b.profiled(ctx, asksFor)
	a, err := paced(ctx, asksPerSecond, int(asksPerSecond*asksFor.Seconds()), next, api.send)
	if err != nil {
		return err
	}
	after, err := b.hub.Usage()
	if err != nil {
		return err
	}
	if err := profiled(); err != nil {
		return err
	}
	for _, d := range calls {
		select {
		case <-d.Over:
			return fmt.Errorf("a parked call ended while requests were sent")
		default:
		}
	}
	s := after.Since(before)
	row := fmt.Sprintf("REST at %d requests/s, %d parked", asksPerSecond, len(calls))
	b.figure(figure{
		Row: row + ", p50", Unit: "ms", Value: a.all.At(.5),
		Note: fmt.Sprintf("%d requests over %d connections; hub %.0f %% of a core (%.0f %% before), Postgres %.0f %%; %s",
			len(a.all), askConnections, percent(s.Hub, s.Took), percent(quiet.Hub, quiet.Took), percent(s.Postgres, s.Took), s.Noise()),
	})
	b.figure(figure{
		Row: row + ", p99", Unit: "ms", Goal: 20, Value: a.all.At(.99),
		Note: fmt.Sprintf("longest %.1f; of it sent late p99 %.1f; %s", a.all.At(1), a.late.At(.99), a.kinds()),
	})
	return part(ctx, calls)
}

// mixed is the requests in their order, each kind spread over fifty: 17 and 50
// have no divisor in common.
func mixed(ids []string) func(i int) request {
	var of50 []string
	for _, s := range shares {
		of50 = append(of50, slices.Repeat([]string{s.path}, s.of50)...)
	}
	return func(i int) request {
		if at := i * 17 % 50; at < len(of50) {
			path := of50[at]
			return request{kind: "GET " + path, method: http.MethodGet, path: strings.Replace(path, "{id}", ids[i%len(ids)], 1)}
		}
		round := i / 50
		if round%2 == 0 {
			return request{"PATCH a number", http.MethodPatch, "/v1/numbers/" + hallOne, fmt.Sprintf(`{"label":"Hall %d"}`, round)}
		}
		return request{"PATCH a lot", http.MethodPatch, "/v1/lots/hall-one", fmt.Sprintf(`{"bounce_s":%d}`, 2+round%5)}
	}
}

// kinds is the times of each kind of request.
func (a answered) kinds() string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(a.kind)) {
		s := a.kind[k]
		out = append(out, fmt.Sprintf("%s p50 %.1f p99 %.1f (%d)", k, s.At(.5), s.At(.99), len(s)))
	}
	return strings.Join(out, ", ")
}

// asker speaks to the hub's REST API.
type asker struct {
	url, key string
	http     *http.Client
}

// send sends a request and reads the answer to its end.
func (a *asker) send(ctx context.Context, r request) error {
	_, err := a.do(ctx, r)
	return err
}

func (a *asker) do(ctx context.Context, r request) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, a.url+r.path, strings.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	if r.method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	res, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s: %s", res.Status, b[:min(len(b), 300)])
	}
	return b, nil
}

// live is the ids of calls that go on.
func (a *asker) live(ctx context.Context) (ids []string, err error) {
	b, err := a.do(ctx, request{method: http.MethodGet, path: "/v1/calls?live=true&limit=200"})
	if err != nil {
		return nil, fmt.Errorf("list live calls: %w", err)
	}
	var page struct {
		Data []struct{ ID string } `json:"data"`
	}
	if err := json.Unmarshal(b, &page); err != nil {
		return nil, fmt.Errorf("list live calls: %w", err)
	}
	if len(page.Data) == 0 {
		return nil, fmt.Errorf("list live calls: there are none")
	}
	for _, c := range page.Data {
		ids = append(ids, c.ID)
	}
	return ids, nil
}
