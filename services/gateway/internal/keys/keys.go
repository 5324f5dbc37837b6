// Package keys keeps the keys of model providers secret while they lie in the store. There are two levels. The master key
// is 32 random bytes that live outside the store: in a file of the data directory, or in the configuration. It encrypts
// one keyset, which lives in the store and encrypts the providers' keys. So the store alone, or a backup of it, reveals
// nothing; a new master key means encrypting one keyset anew and not every row; and the keyset may hold several keys, the
// newest for encrypting and all of them for decrypting, so that rotation needs no pause.
//
// Each encrypted value is bound to what it belongs to (its associated data): a row copied over another one does not
// decrypt, so that nobody who can write to the store can make the gateway send one provider's key to another.
package keys

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/secretfile"
)

// MasterBytes is the length of a master key.
const MasterBytes = 32

// Master is the key that encrypts the keyset.
type Master struct {
	aead   tink.AEAD
	source string // where it came from, for errors
}

// LoadMaster takes the master key from the configuration (32 bytes in base64) or, when that is empty, from a file, which
// it makes with a new key when there is none. Several gateways on one store must be given the same key.
func LoadMaster(configured config.Secret, file string) (*Master, error) {
	if configured != "" {
		return parseMaster(configured.Reveal(), "the configured master key")
	}
	text, err := secretfile.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := secretfile.Create(file, newMaster()); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		text, err = secretfile.Read(file) // ours, or that of another process which was faster
	}
	if err != nil {
		return nil, err
	}
	return parseMaster(text, "the master key in "+file)
}

func newMaster() string {
	var b [MasterBytes]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the program instead
	return base64.StdEncoding.EncodeToString(b[:])
}

func parseMaster(text, source string) (*Master, error) {
	const op = "keys.LoadMaster"
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != MasterBytes {
		// The decoder's error would show a byte of the key.
		return nil, fault.New(op, fault.Invalid, "%s is not %d bytes in base64; `openssl rand -base64 %d` makes one", source, MasterBytes, MasterBytes).
			WithReason("MASTER_KEY_INVALID")
	}
	aead, err := subtle.NewXChaCha20Poly1305(raw)
	if err != nil {
		return nil, fault.Wrap(op, fault.Internal, err, "the master key cannot be used")
	}
	return &Master{aead: aead, source: source}, nil
}
