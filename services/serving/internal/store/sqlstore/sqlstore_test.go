package sqlstore_test

import (
	"testing"

	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/serving/internal/store"
	"github.com/slipway-ai/slipway/services/serving/internal/store/migrations"
	"github.com/slipway-ai/slipway/services/serving/internal/store/sqlstore"
	"github.com/slipway-ai/slipway/services/serving/internal/store/storetest"
)

func TestOnSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		return sqlstore.New(testkit.OpenStore(t, testkit.SQLite(t), migrations.FS))
	})
}

func TestOnPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		return sqlstore.New(testkit.OpenStore(t, testkit.Postgres(t), migrations.FS))
	})
}
