package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
)

// Pin implements store.BlobChanges.
func (t *transaction) Pin(ctx context.Context, sha256 string, size int64, now time.Time) error {
	const op = "registry.store.Pin"
	n, err := exec(ctx, t.q, op, `insert into blob (sha256, size_bytes, condemned, touch_time) values ($1, $2, false, $3)
		on conflict (sha256) do update set touch_time = excluded.touch_time where not blob.condemned`, sha256, size, sqlkit.Micros(now))
	if err == nil && n == 0 {
		return fault.New(op, fault.Aborted, "the same content is just being removed; upload it again").WithReason("CONTENT_CONDEMNED").WithRetryAfter(time.Second)
	}
	return err
}

// Known implements store.Blobs.
func (r reader) Known(ctx context.Context, sha256s []string) (map[string]bool, error) {
	known := make(map[string]bool, len(sha256s))
	for some := range slices.Chunk(sha256s, maxList) {
		var args arguments
		list, err := collect(ctx, r.q, "registry.store.Known", `select sha256 from blob where sha256 in `+args.list(some), args, scanText)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			known[s] = true
		}
	}
	return known, nil
}

func scanText(scan func(...any) error) (s string, err error) {
	err = scan(&s)
	return s, err
}

// Unused implements store.Blobs.
func (r reader) Unused(ctx context.Context, before time.Time, limit int) ([]string, error) {
	return collect(ctx, r.q, "registry.store.Unused", `select sha256 from blob b where touch_time < $1 and not exists (select 1 from model_file f where f.sha256 = b.sha256)
		order by touch_time, sha256 limit $2`, []any{sqlkit.Micros(before), limit}, scanText)
}

// Condemn implements store.BlobChanges.
func (t *transaction) Condemn(ctx context.Context, sha256 string, before, now time.Time) (bool, error) {
	n, err := exec(ctx, t.q, "registry.store.Condemn", `insert into blob (sha256, size_bytes, condemned, touch_time) values ($1, 0, true, $3)
		on conflict (sha256) do update set condemned = true, touch_time = excluded.touch_time
		where blob.touch_time < $2 and not exists (select 1 from model_file f where f.sha256 = blob.sha256)`, sha256, sqlkit.Micros(before), sqlkit.Micros(now))
	return n > 0, err
}

// Forget implements store.BlobChanges.
func (t *transaction) Forget(ctx context.Context, sha256 string) error {
	_, err := exec(ctx, t.q, "registry.store.Forget", `delete from blob where sha256 = $1 and condemned`, sha256)
	return err
}
