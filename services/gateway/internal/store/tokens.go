package store

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
)

const tokenColumns = `t.id, t.principal, t.comment, t.scopes, t.creator, t.create_time, t.expire_time, t.revoke_time, t.last_used_time`

// tokenRow is a token on its way out of a row.
type tokenRow struct {
	t                            domain.Token
	scopes                       []byte
	create, expire, revoke, used int64
}

func (r *tokenRow) dest() []any {
	return []any{&r.t.ID, &r.t.Principal, &r.t.Comment, &r.scopes, &r.t.Creator, &r.create, &r.expire, &r.revoke, &r.used}
}

func (r *tokenRow) token() (domain.Token, error) {
	r.t.CreateTime, r.t.ExpireTime = sqlkit.Time(r.create), sqlkit.Time(r.expire)
	r.t.RevokeTime, r.t.LastUsedTime = sqlkit.Time(r.revoke), sqlkit.Time(r.used)
	return r.t, json.Unmarshal(r.scopes, &r.t.Scopes)
}

func scanToken(row scanner) (domain.Token, error) {
	var r tokenRow
	if err := row.Scan(r.dest()...); err != nil {
		return domain.Token{}, err
	}
	return r.token()
}

// CreateToken implements Tokens.
func (s *SQL) CreateToken(ctx context.Context, t domain.Token, hash domain.TokenHash) error {
	const op = "store.CreateToken"
	_, err := s.db.ExecContext(ctx, `
		insert into tokens (id, principal, hash, comment, scopes, creator, create_time, expire_time, revoke_time, last_used_time)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		t.ID, t.Principal, hash[:], t.Comment, text(t.Scopes.Strings()), t.Creator,
		sqlkit.Micros(t.CreateTime), sqlkit.Micros(t.ExpireTime), sqlkit.Micros(t.RevokeTime), sqlkit.Micros(t.LastUsedTime))
	if sqlkit.IsForeignKey(err) {
		return fault.Wrap(op, fault.NotFound, err, "principal %q does not exist", t.Principal)
	}
	return sqlkit.Fault(op, err)
}

// TokenByHash implements Tokens.
func (s *SQL) TokenByHash(ctx context.Context, hash domain.TokenHash) (domain.Token, domain.Principal, error) {
	const op = "store.TokenByHash"
	var (
		tr tokenRow
		pr principalRow
	)
	err := s.db.QueryRowContext(ctx,
		`select `+tokenColumns+`, `+principalColumns+` from tokens t join principals p on p.name = t.principal where t.hash = $1`,
		hash[:]).Scan(append(tr.dest(), pr.dest()...)...)
	if err != nil {
		return domain.Token{}, domain.Principal{}, sqlkit.Fault(op, err)
	}
	t, err := tr.token()
	if err != nil {
		return domain.Token{}, domain.Principal{}, sqlkit.Fault(op, err)
	}
	p, err := pr.principal()
	return t, p, sqlkit.Fault(op, err)
}

// Token implements Tokens.
func (s *SQL) Token(ctx context.Context, id string) (domain.Token, error) {
	t, err := scanToken(s.db.QueryRowContext(ctx, `select `+tokenColumns+` from tokens t where t.id = $1`, id))
	return t, missing("store.Token", err, "token", id)
}

// ListTokens implements Tokens. The first page starts before everything: at the end of time.
func (s *SQL) ListTokens(ctx context.Context, principal string, after TokenKey, limit int) ([]domain.Token, error) {
	const op = "store.ListTokens"
	at := int64(math.MaxInt64)
	if after != (TokenKey{}) {
		at = sqlkit.Micros(after.CreateTime)
	}
	if principal == "" {
		return list(ctx, s.db, op, scanToken, `
			select `+tokenColumns+` from tokens t
			where t.revoke_time = 0 and (t.create_time, t.id) < ($1, $2)
			order by t.create_time desc, t.id desc limit $3`, at, after.ID, limit)
	}
	return list(ctx, s.db, op, scanToken, `
		select `+tokenColumns+` from tokens t
		where t.revoke_time = 0 and t.principal = $4 and (t.create_time, t.id) < ($1, $2)
		order by t.create_time desc, t.id desc limit $3`, at, after.ID, limit, principal)
}

// RevokeToken implements Tokens.
func (s *SQL) RevokeToken(ctx context.Context, id string, at time.Time) error {
	r, err := s.db.ExecContext(ctx, `update tokens set revoke_time = $1 where id = $2 and revoke_time = 0`, sqlkit.Micros(at), id)
	return touched("store.RevokeToken", r, err, "token", id)
}

// TouchTokens implements Tokens.
func (s *SQL) TouchTokens(ctx context.Context, used map[string]time.Time) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx sqlkit.Tx) error {
		for _, id := range slices.Sorted(maps.Keys(used)) { // in one order everywhere, so that two of us do not wait for each other
			if _, err := tx.ExecContext(ctx, `update tokens set last_used_time = $1 where id = $2 and last_used_time < $1`, sqlkit.Micros(used[id]), id); err != nil {
				return err
			}
		}
		return nil
	})
	return sqlkit.Fault("store.TouchTokens", err)
}

// SweepTokens implements Tokens.
func (s *SQL) SweepTokens(ctx context.Context, before time.Time) (int64, error) {
	const op = "store.SweepTokens"
	r, err := s.db.ExecContext(ctx, `
		delete from tokens where (revoke_time > 0 and revoke_time < $1) or (expire_time > 0 and expire_time < $1)`, sqlkit.Micros(before))
	if err != nil {
		return 0, sqlkit.Fault(op, err)
	}
	n, err := r.RowsAffected()
	return n, sqlkit.Fault(op, err)
}
