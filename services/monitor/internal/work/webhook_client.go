// Package work holds the loops of the watching half: the schedule that refreshes
// monitors and the sender that tells alerts to webhooks. A loop claims work by lease
// from the store, so several replicas share it and a dead one loses nothing.
package work

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// The headers of a webhook call, beside Content-Type.
const (
	HeaderSignature = "X-Slipway-Signature" // "sha256=" + hex HMAC-SHA256 of the body under the secret; absent without one
	HeaderEvent     = "X-Slipway-Event"
	HeaderEventID   = "X-Slipway-Event-Id"
	HeaderAttempt   = "X-Slipway-Attempt"
)

const (
	// CallTimeout bounds one attempt, connection and answer included.
	CallTimeout = 10 * time.Second
	// maxRedirects on the receiver's own host.
	maxRedirects = 3
	// maxAnswer is how much of an answer is read, so that its connection is reused.
	maxAnswer = 64 << 10
)

// Client makes single webhook calls.
type Client struct{ http *http.Client }

// NewClient makes a client with the given timeout per call; 0 is CallTimeout.
//
// A redirect is followed only to the same scheme, host and port, and only when it
// keeps the method and the body (307, 308): an event and its signature are for the
// address that the monitor's owner wrote, and nobody else may send them elsewhere.
func NewClient(timeout time.Duration) *Client {
	if timeout == 0 {
		timeout = CallTimeout
	}
	return &Client{http: &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: timeout / 2}).DialContext,
			TLSHandshakeTimeout:   timeout / 2,
			MaxIdleConnsPerHost:   2,
			IdleConnTimeout:       time.Minute,
			ForceAttemptHTTP2:     true,
			ExpectContinueTimeout: time.Second,
		},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			first := via[0]
			if len(via) > maxRedirects || next.Method != first.Method || next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}}
}

// Outcome is what came of a call.
type Outcome struct {
	Told bool   // the receiver has it
	Gone bool   // there is no use in trying again
	Why  string // otherwise: in words, without address or secret
}

// Tell makes one attempt.
func (c *Client) Tell(ctx context.Context, d domain.Delivery, secret config.Secret) Outcome {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Payload))
	if err != nil {
		return Outcome{Gone: true, Why: "the address cannot be called"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "slipway-monitor")
	req.Header.Set(HeaderEvent, d.Kind)
	req.Header.Set(HeaderEventID, d.EventID)
	req.Header.Set(HeaderAttempt, strconv.Itoa(d.Attempts))
	if secret != "" {
		req.Header.Set(HeaderSignature, Sign(secret, d.Payload))
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Outcome{Why: reason(err)}
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return Outcome{Told: true}
	case res.StatusCode == http.StatusGone:
		return Outcome{Gone: true, Why: "the receiver answered 410 Gone"}
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return Outcome{Why: fmt.Sprintf("the receiver answered %d; redirects to another host, or that drop the body, are not followed", res.StatusCode)}
	}
	return Outcome{Why: fmt.Sprintf("the receiver answered %d", res.StatusCode)}
}

// Sign is the value of HeaderSignature.
func Sign(secret config.Secret, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// reason takes the address, which may hold a token, out of an error's text.
func reason(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return "no answer in time"
		}
		err = u.Err
	}
	return err.Error()
}
