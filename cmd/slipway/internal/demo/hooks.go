package demo

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// hookServer takes the monitor's webhooks and checks their signatures.
type hookServer struct {
	url, secret string
	server      *http.Server

	mu     sync.Mutex
	good   int
	forged int
	told   chan struct{}
}

func listenHooks() (*hookServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hookServer{url: "http://" + l.Addr().String() + "/alerts", secret: runID() + runID(), told: make(chan struct{}, 1)}
	h.server = &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = h.server.Serve(l) }() // ends with close
	return h, nil
}

func (h *hookServer) close() { _ = h.server.Close() }

func (h *hookServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, []byte(h.secret))
	mac.Write(body)
	right := strings.HasSuffix(r.Header.Get("X-Slipway-Signature"), hex.EncodeToString(mac.Sum(nil)))
	h.mu.Lock()
	if right {
		h.good++
	} else {
		h.forged++
	}
	h.mu.Unlock()
	select {
	case h.told <- struct{}{}:
	default:
	}
}

// await waits until at least n webhooks with a right signature came.
func (h *hookServer) await(ctx context.Context, n int, limit time.Duration) (int, error) {
	deadline := time.After(limit)
	for {
		h.mu.Lock()
		good, forged := h.good, h.forged
		h.mu.Unlock()
		switch {
		case forged > 0:
			return good, untrue("%d webhooks had a wrong signature", forged)
		case good >= n:
			return good, nil
		}
		select {
		case <-h.told:
		case <-deadline:
			return good, untrue("%d of %d webhooks came within %s", good, n, limit)
		case <-ctx.Done():
			return good, ctx.Err()
		}
	}
}
