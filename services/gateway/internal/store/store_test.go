package store_test

import (
	"testing"

	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/gateway/internal/store"
	"github.com/slipway-ai/slipway/services/gateway/internal/store/storetest"
)

func TestTheStoreKeepsItsContractOnSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		return store.New(testkit.OpenStore(t, testkit.SQLite(t), store.Migrations()))
	})
}

func TestTheStoreKeepsItsContractOnPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		return store.New(testkit.OpenStore(t, testkit.Postgres(t), store.Migrations()))
	})
}
