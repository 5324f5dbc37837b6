package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/slipway-ai/slipway/pkg/config"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/monitor/internal/domain"
)

// writeWebhooks makes the stored webhooks those of m. A URL that stays keeps its
// secret unless a new one is given.
func writeWebhooks(ctx context.Context, tx sqlkit.Tx, m domain.Monitor, secrets map[string]config.Secret) error {
	type kept struct{ url, secret string }
	old, err := collect(ctx, tx, func(row scanner) (k kept, err error) {
		err = row.Scan(&k.url, &k.secret)
		return k, err
	}, `select url, secret from webhooks where monitor = $1`, m.Name)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `delete from webhooks where monitor = $1`, m.Name); err != nil {
		return err
	}
	stored := map[string]string{}
	for _, k := range old {
		stored[k.url] = k.secret
	}
	for i, w := range m.Webhooks {
		secret := stored[w.URL]
		if s, given := secrets[w.URL]; given && s != "" {
			secret = s.Reveal()
		}
		_, err := tx.ExecContext(ctx, `insert into webhooks (monitor, url, position, secret) values ($1, $2, $3, $4)`, m.Name, w.URL, i, secret)
		if err != nil {
			return err
		}
	}
	return nil
}

// readWebhooks fills the webhooks of monitors whose names lie from first to last.
func readWebhooks(ctx context.Context, q sqlkit.Querier, into map[string]*domain.Monitor, first, last string) error {
	type hook struct {
		monitor string
		domain.Webhook
	}
	hooks, err := collect(ctx, q, func(row scanner) (h hook, err error) {
		err = row.Scan(&h.monitor, &h.URL, &h.HasSecret)
		return h, err
	}, `select monitor, url, secret <> '' from webhooks where monitor >= $1 and monitor <= $2 order by monitor, position`, first, last)
	for _, h := range hooks {
		if m := into[h.monitor]; m != nil {
			m.Webhooks = append(m.Webhooks, h.Webhook)
		}
	}
	return err
}

func (s *monitors) WebhookSecret(ctx context.Context, monitor, url string) (config.Secret, bool, error) {
	var secret string
	err := s.db.QueryRowContext(ctx, `select secret from webhooks where monitor = $1 and url = $2`, monitor, url).Scan(&secret)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return config.Secret(secret), err == nil, sqlkit.Fault("store.WebhookSecret", err)
}
