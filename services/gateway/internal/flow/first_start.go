package flow

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/domain"
	"github.com/slipway-ai/slipway/services/gateway/internal/secretfile"
)

const adminTokenComment = "made by the gateway for the machine's operator"

// FirstStart makes sure that somebody can come in: the principal `admin` exists, and the file holds a token that works. A
// token in the file that works is kept. One that does not, because it was revoked or because the store is another one, is
// replaced: whoever can read the file could make themselves a token anyway.
func (f *Principals) FirstStart(ctx context.Context, file string, log *slog.Logger) error {
	at := now(f.Clock)
	created, err := f.Store.EnsurePrincipal(ctx, domain.Principal{
		Name: domain.Admin, Kind: domain.User, Groups: []string{domain.Admins}, RequestsPerMinute: domain.Unlimited, CreateTime: at, UpdateTime: at,
	})
	if err != nil {
		return err
	}
	if created {
		log.LogAttrs(ctx, slog.LevelInfo, "first admin created", slog.String("principal", domain.Admin))
	}
	works, err := f.works(ctx, file)
	if err != nil || works {
		return err
	}
	t, text, err := f.CreateToken(ctx, auth.Service("gateway"), NewToken{Principal: domain.Admin, Comment: adminTokenComment})
	if fault.Reason(err) == "PRINCIPAL_DISABLED" {
		log.LogAttrs(ctx, slog.LevelWarn, "no admin token written: the principal is disabled", slog.String("principal", domain.Admin))
		return nil
	}
	if err != nil {
		return err
	}
	if err := secretfile.Replace(file, text.Reveal()); err != nil {
		return errors.Join(err, f.RevokeToken(ctx, auth.Service("gateway"), t.ID))
	}
	log.LogAttrs(ctx, slog.LevelInfo, "admin token written", slog.String("file", file), slog.String("token_id", t.ID))
	return nil
}

// works reports whether the file holds a token that lets its bearer in.
func (f *Principals) works(ctx context.Context, file string) (bool, error) {
	text, err := secretfile.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	hash, err := domain.ParseToken(text)
	if err != nil {
		return false, nil //nolint:nilerr // what is in the file is no token, so it does not work
	}
	t, who, err := f.Store.TokenByHash(ctx, hash)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil && t.Ended(f.Clock.Now()) == "" && !who.Disabled, err
}
