package front

import (
	"crypto/tls"
	"sync"
	"time"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
)

// certificateFor is how long a certificate is used before its files are looked at again: a renewed one is taken without a
// restart, and a busy port does not read files at every handshake.
const certificateFor = time.Minute

// Certificates is the TLS of the public ports, from PEM files of a certificate chain and its key. Files that cannot be used
// are an error now; when they become so later, the last good certificate stays in use.
func Certificates(certFile, keyFile string, c clock.Clock) (*tls.Config, error) {
	k := &keeper{certFile: certFile, keyFile: keyFile, clock: c}
	if _, err := k.get(nil); err != nil {
		return nil, fault.Wrap("front.Certificates", fault.Invalid, err, "the certificate in %s and the key in %s cannot be used", certFile, keyFile)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: k.get}, nil
}

type keeper struct {
	certFile, keyFile string
	clock             clock.Clock

	mu   sync.Mutex
	pair *tls.Certificate
	read time.Time
}

func (k *keeper) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock.Now()
	if k.pair != nil && now.Sub(k.read) < certificateFor {
		return k.pair, nil
	}
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil && k.pair == nil {
		return nil, err
	}
	if err == nil {
		k.pair = &pair
	}
	k.read = now
	return k.pair, nil
}
