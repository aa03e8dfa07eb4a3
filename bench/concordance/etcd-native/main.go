// Owns load on etcd through its own client, clientv3: as many callers as clients, each with one call under way,
// over a few connections. The plan is a JSON file, the result one line of JSON. It needs Debian's packages
// golang-go and golang-etcd-server-dev, and no network.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"os"
	"sort"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
)

type plan struct {
	Endpoint    string   `json:"endpoint"`
	Operation   string   `json:"operation"`
	Clients     int      `json:"clients"`
	Connections int      `json:"connections"`
	WarmUpMs    int      `json:"warmUpMs"`
	DurationMs  int      `json:"durationMs"`
	Keys        []string `json:"keys"`
	Values      []string `json:"values"`
}

type result struct {
	PerSecond float64 `json:"perSecond"`
	Requests  int     `json:"requests"`
	P50Ms     float64 `json:"p50Ms"`
	P90Ms     float64 `json:"p90Ms"`
	P99Ms     float64 `json:"p99Ms"`
	MaxMs     float64 `json:"maxMs"`
	Errors    int     `json:"errors"`
	FirstWhy  string  `json:"firstWhy"`
}

// What one caller saw after the warm-up.
type seen struct {
	took []time.Duration
	errs []error
}

const (
	dialTimeout = 5 * time.Second
	callTimeout = 10 * time.Second
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "etcd-native:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: etcd-native <plan.json>")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var the plan
	if err := json.Unmarshal(text, &the); err != nil {
		return err
	}
	call, err := callOf(the)
	if err != nil {
		return err
	}
	connections, err := connect(the)
	if err != nil {
		return err
	}
	line, err := json.Marshal(summary(load(the, connections, call), the))
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	return nil
}

func connect(the plan) ([]*clientv3.Client, error) {
	connections := make([]*clientv3.Client, the.Connections)
	for at := range connections {
		config := clientv3.Config{Endpoints: []string{the.Endpoint}, DialTimeout: dialTimeout}
		client, err := clientv3.New(config)
		if err != nil {
			return nil, err
		}
		connections[at] = client
	}
	return connections, nil
}

type caller func(ctx context.Context, client *clientv3.Client, luck *rand.Rand) error

func callOf(the plan) (caller, error) {
	key := func(luck *rand.Rand) string { return the.Keys[luck.Intn(len(the.Keys))] }
	get := func(options ...clientv3.OpOption) caller {
		return func(ctx context.Context, client *clientv3.Client, luck *rand.Rand) error {
			name := key(luck)
			answer, err := client.Get(ctx, name, options...)
			if err == nil && len(answer.Kvs) != 1 {
				return fmt.Errorf("there is no key %s", name)
			}
			return err
		}
	}
	switch the.Operation {
	case "put":
		return func(ctx context.Context, client *clientv3.Client, luck *rand.Rand) error {
			_, err := client.Put(ctx, key(luck), the.Values[luck.Intn(len(the.Values))])
			return err
		}, nil
	case "linearizable":
		return get(), nil
	case "local":
		return get(clientv3.WithSerializable()), nil
	}
	return nil, fmt.Errorf("unknown operation %q", the.Operation)
}

func load(the plan, connections []*clientv3.Client, call caller) []seen {
	begins := time.Now().Add(time.Duration(the.WarmUpMs) * time.Millisecond)
	ends := begins.Add(time.Duration(the.DurationMs) * time.Millisecond)
	all := make([]seen, the.Clients)
	var working sync.WaitGroup
	for at := range all {
		working.Add(1)
		go func(at int) {
			defer working.Done()
			luck := rand.New(rand.NewSource(int64(at)))
			all[at] = callUntil(ends, begins, connections[at%len(connections)], call, luck)
		}(at)
	}
	working.Wait()
	return all
}

// Calls that end within the measured time count, so that a call that is under way at either end counts once.
func callUntil(ends, begins time.Time, client *clientv3.Client, call caller, luck *rand.Rand) seen {
	var mine seen
	for {
		started := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		err := call(ctx, client, luck)
		cancel()
		ended := time.Now()
		if err != nil {
			mine.errs = append(mine.errs, err)
			return mine
		}
		if ended.After(ends) {
			return mine
		}
		if ended.After(begins) {
			mine.took = append(mine.took, ended.Sub(started))
		}
	}
}

func summary(all []seen, the plan) result {
	var took []time.Duration
	var made result
	for _, one := range all {
		took = append(took, one.took...)
		made.Errors += len(one.errs)
		if made.FirstWhy == "" && len(one.errs) > 0 {
			made.FirstWhy = one.errs[0].Error()
		}
	}
	sort.Slice(took, func(a, b int) bool { return took[a] < took[b] })
	made.Requests = len(took)
	made.PerSecond = float64(len(took)) * 1_000 / float64(the.DurationMs)
	made.P50Ms, made.P90Ms = quantileMs(took, 0.5), quantileMs(took, 0.9)
	made.P99Ms, made.MaxMs = quantileMs(took, 0.99), quantileMs(took, 1)
	return made
}

// The quantile of sorted durations by nearest rank, in milliseconds.
func quantileMs(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Max(1, math.Ceil(share*float64(len(sorted)))))
	return float64(sorted[rank-1]) / float64(time.Millisecond)
}
