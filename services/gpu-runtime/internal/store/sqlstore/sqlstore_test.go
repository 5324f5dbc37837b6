package sqlstore_test

import (
	"testing"

	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/pkg/testkit"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/store"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/store/migrations"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/store/sqlstore"
	"github.com/slipway-ai/slipway/services/gpu-runtime/internal/store/storetest"
)

func TestFootprintsAreKeptAsTheContractSays(t *testing.T) {
	t.Parallel()
	testkit.EachBackend(t, migrations.FS, func(t *testing.T, db *sqlkit.DB) {
		storetest.Run(t, func(*testing.T) store.Store { return sqlstore.New(db) })
	})
}
