package loadgen

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// Chunks is how many content chunks the upstream streams.
const Chunks = 64

// Upstream answers every chat request at once with about 1 KB, or with Chunks chunks when a stream is asked for.
func Upstream() http.Handler {
	answer := fmt.Appendf(nil, `{"id":"chatcmpl-1","object":"chat.completion","created":1760000000,"model":"mock","choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":50,"completion_tokens":60,"total_tokens":110}}`,
		strings.Repeat("A short and honest answer. ", 30))
	var stream [][]byte
	for i := range Chunks {
		stream = append(stream, fmt.Appendf(nil, "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"mock\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word%d\"},\"finish_reason\":null}]}\n\n", i))
	}
	tail := []byte("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"mock\",\"choices\":[],\"usage\":{\"prompt_tokens\":50,\"completion_tokens\":64,\"total_tokens\":114}}\n\ndata: [DONE]\n\n")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if !bytes.Contains(body[:min(len(body), 512)], []byte(`"stream":true`)) && !bytes.Contains(body[max(0, len(body)-512):], []byte(`"stream":true`)) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(answer) // a client that is gone has no better answer
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		flusher := w.(http.Flusher)
		for _, chunk := range stream {
			if _, err := w.Write(chunk); err != nil {
				return
			}
			flusher.Flush()
		}
		_, _ = w.Write(tail) // as above
	})
}

// ReverseProxy is httputil.ReverseProxy as one would tune it: pooled buffers, many idle connections, no compression,
// a flush per write.
func ReverseProxy(upstream string) (http.Handler, error) {
	target, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true},
		FlushInterval: -1,
		BufferPool:    make(pool, 256),
	}, nil
}

// pool hands out 32 KiB buffers.
type pool chan []byte

func (p pool) Get() []byte {
	select {
	case b := <-p:
		return b
	default:
		return make([]byte, 32<<10)
	}
}

func (p pool) Put(b []byte) {
	select {
	case p <- b:
	default:
	}
}
