// Package loadgen puts load on an OpenAI-shaped address and measures it, and offers the two ends that a proxy needs
// beside it: an upstream that answers at once and the bare reverse proxy that every gateway is compared with.
package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Shape is one kind of request.
type Shape struct {
	Name    string
	Prompt  int // bytes of the prompt
	Stream  bool
	Clients int
}

// Target is something that answers.
type Target struct {
	Name, URL, Token, Model string
}

// Result is one cell of a table.
type Result struct {
	Requests, Failed int64
	Chunks           int64
	Elapsed          time.Duration
	P50, P99         time.Duration
	Why              error // the first failure, nil when there was none
}

// PerSecond is the throughput.
func (r Result) PerSecond() float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

// Body is a chat request of the shape.
func Body(model string, s Shape) []byte {
	prompt := strings.Repeat("Is the sky blue or green today? ", s.Prompt/32+1)[:s.Prompt]
	stream := ""
	if s.Stream {
		stream = `"stream":true,`
	}
	return fmt.Appendf(nil, `{"model":%q,%s"max_tokens":64,"messages":[{"role":"user","content":%q}]}`, model, stream, prompt)
}

// Run keeps s.Clients callers busy for the duration.
func Run(ctx context.Context, t Target, s Shape, d time.Duration) Result {
	transport := &http.Transport{MaxIdleConnsPerHost: s.Clients, MaxConnsPerHost: s.Clients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	body := Body(t.Model, s)
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var (
		result Result
		mu     sync.Mutex
		took   []time.Duration
		broken atomic.Pointer[error]
		group  sync.WaitGroup
	)
	start := time.Now()
	for range s.Clients {
		group.Go(func() {
			var mine []time.Duration
			buffer := make([]byte, 64<<10)
			for ctx.Err() == nil {
				begin := time.Now()
				chunks, err := one(ctx, client, t, body, buffer)
				if ctx.Err() != nil {
					break // cut off by the end of the cell, not counted
				}
				atomic.AddInt64(&result.Requests, 1)
				atomic.AddInt64(&result.Chunks, int64(chunks))
				if err != nil {
					atomic.AddInt64(&result.Failed, 1)
					broken.CompareAndSwap(nil, &err)
				}
				mine = append(mine, time.Since(begin))
			}
			mu.Lock()
			took = append(took, mine...)
			mu.Unlock()
		})
	}
	group.Wait()
	result.Elapsed = time.Since(start)
	if len(took) > 0 {
		slices.Sort(took)
		result.P50, result.P99 = took[len(took)/2], took[len(took)*99/100]
	}
	if err := broken.Load(); err != nil {
		result.Why = fmt.Errorf("%s: %d of %d requests failed: %w", t.Name, result.Failed, result.Requests, *err)
	}
	return result
}

func one(ctx context.Context, client *http.Client, t Target, body, buffer []byte) (chunks int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+t.Token)
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	for {
		n, err := res.Body.Read(buffer)
		chunks += bytes.Count(buffer[:n], []byte("data: "))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return chunks, err
		}
	}
	if res.StatusCode != http.StatusOK {
		return chunks, fmt.Errorf("status %d", res.StatusCode)
	}
	return chunks, nil
}
