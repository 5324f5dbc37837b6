package keys

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/slipway-ai/slipway/pkg/clock"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

// Store keeps keysets. Keyset of a name that was never put is NotFound. PutKeyset replaces the revision before it and no
// other: when another process was faster it is Aborted and changes nothing.
type Store interface {
	Keyset(ctx context.Context, name string) (domain.Keyset, error)
	PutKeyset(ctx context.Context, k domain.Keyset) error
}

// Ring seals and unseals with the keyset of one name. It is safe for concurrent use.
type Ring struct {
	name   string
	master *Master
	store  Store
	clock  clock.Clock

	mu      sync.RWMutex
	current domain.Keyset
	handle  *keyset.Handle
	aead    tink.AEAD
}

// OpenRing reads the keyset called name, or makes it. A keyset that the master key does not open is FailedPrecondition
// with reason MASTER_KEY_WRONG: the store belongs to another master key, and going on with a new keyset would orphan what
// it holds.
func OpenRing(ctx context.Context, name string, master *Master, store Store, c clock.Clock) (*Ring, error) {
	r := &Ring{name: name, master: master, store: store, clock: c}
	err := r.reload(ctx)
	if fault.Is(err, fault.NotFound) {
		if err = r.Rotate(ctx); fault.Is(err, fault.Aborted) {
			err = r.reload(ctx) // another process made it first
		}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// RotateTime is when the key that seals now was made.
func (r *Ring) RotateTime() time.Time {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.current.RotateTime
}

// Rotate adds a key, which seals from now on; the older ones still unseal. Aborted means that another process changed the
// keyset at the same moment.
func (r *Ring) Rotate(ctx context.Context) error {
	const op = "keys.Rotate"
	r.mu.Lock()
	defer r.mu.Unlock()
	manager := keyset.NewManager()
	if r.handle != nil {
		manager = keyset.NewManagerFromHandle(r.handle)
	}
	id, err := manager.Add(aead.XChaCha20Poly1305KeyTemplate())
	if err == nil {
		err = manager.SetPrimary(id)
	}
	if err != nil {
		return fault.Wrap(op, fault.Internal, err, "a key cannot be added")
	}
	handle, err := manager.Handle()
	if err != nil {
		return fault.Wrap(op, fault.Internal, err, "a key cannot be added")
	}
	var sealed bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&sealed), r.master.aead, []byte(r.name)); err != nil {
		return fault.Wrap(op, fault.Internal, err, "the keyset cannot be sealed")
	}
	next := domain.Keyset{Name: r.name, Revision: r.current.Revision + 1, Sealed: sealed.Bytes(), RotateTime: r.clock.Now().Truncate(time.Microsecond).UTC()}
	if err := r.store.PutKeyset(ctx, next); err != nil {
		return err
	}
	return r.use(next, handle)
}

// reload takes over what the store has.
func (r *Ring) reload(ctx context.Context) error {
	stored, err := r.store.Keyset(ctx, r.name)
	if err != nil {
		return err
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(stored.Sealed)), r.master.aead, []byte(r.name))
	if err != nil {
		return fault.Wrap("keys.Open", fault.FailedPrecondition, err,
			"%s does not open this store's keys: they were sealed with another one. Give back the master key that this store was made with", r.master.source).
			WithReason("MASTER_KEY_WRONG")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.use(stored, handle)
}

// use makes a keyset current; the lock is held.
func (r *Ring) use(k domain.Keyset, handle *keyset.Handle) error {
	primitive, err := aead.New(handle)
	if err != nil {
		return fault.Wrap("keys.Open", fault.Internal, err, "the keyset cannot be used")
	}
	r.current, r.handle, r.aead = k, handle, primitive
	return nil
}

// Seal encrypts a secret that belongs to owner. Sealing the same secret twice gives two different texts.
func (r *Ring) Seal(secret, owner string) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	sealed, err := r.aead.Encrypt([]byte(secret), []byte(owner))
	if err != nil {
		return nil, fault.Wrap("keys.Seal", fault.Internal, err, "the secret cannot be sealed")
	}
	return sealed, nil
}

// Unseal is the secret that Seal encrypted for the same owner. When no key fits, another process may have rotated the
// keyset: it is read again, once. What then does not open is DataLoss.
func (r *Ring) Unseal(ctx context.Context, sealed []byte, owner string) (string, error) {
	secret, err := r.open(sealed, owner)
	if err == nil {
		return secret, nil
	}
	if rerr := r.reload(ctx); rerr != nil {
		return "", rerr
	}
	if secret, err = r.open(sealed, owner); err != nil {
		return "", fault.Wrap("keys.Unseal", fault.DataLoss, err, "the stored secret of %s cannot be opened", owner).WithReason("SECRET_DAMAGED")
	}
	return secret, nil
}

func (r *Ring) open(sealed []byte, owner string) (string, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	b, err := r.aead.Decrypt(sealed, []byte(owner))
	return string(b), err
}
