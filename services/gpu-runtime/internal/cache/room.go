package cache

import (
	"log/slog"
	"os"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Size is what the cache holds and has promised, in bytes.
func (k *Cache) Size() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.size()
}

func (k *Cache) size() int64 {
	var n int64
	for _, e := range k.entries {
		n += e.file.Size
	}
	return n
}

// makeRoom evicts files nobody uses, those left longest first, until need bytes fit under the bound. When they cannot, it
// evicts nothing and says so: emptying the cache for a load that fails anyway helps nobody.
func (k *Cache) makeRoom(need int64) error {
	total, idle := k.size(), int64(0)
	for _, e := range k.entries {
		if e.idle() {
			idle += e.file.Size
		}
	}
	if total-idle+need > k.limit {
		return fault.New("cache.Get", fault.ResourceExhausted, "a model file of %d bytes does not fit into the model cache of %d bytes, of which %d are in use", need, k.limit, total-idle).
			WithReason("MODEL_CACHE_FULL")
	}
	for total+need > k.limit {
		e := k.oldest()
		total -= e.file.Size
		k.log.Info("model file evicted from the cache", slog.String("sha256", e.file.SHA256), slog.Int64("bytes", e.file.Size))
		k.drop(e)
	}
	return nil
}

// oldest is the unused file that was left longest ago. There is one whenever makeRoom asks.
func (k *Cache) oldest() *entry {
	var oldest *entry
	for _, e := range k.entries {
		if e.idle() && (oldest == nil || e.used.Before(oldest.used)) {
			oldest = e
		}
	}
	return oldest
}

func (k *Cache) drop(e *entry) {
	delete(k.entries, e.file.SHA256)
	if err := os.Remove(k.path(e.file.SHA256)); err != nil && !os.IsNotExist(err) {
		k.log.Warn("cached model file cannot be removed", slog.String("sha256", e.file.SHA256), slog.String("error", err.Error()))
	}
}

// idle files are whole and used by nobody.
func (e *entry) idle() bool { return e.ready && e.users == 0 }
