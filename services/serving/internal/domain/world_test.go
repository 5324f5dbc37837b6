package domain_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/pkg/id"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func stamp(ids id.Source) domain.Stamp {
	return domain.Stamp{Now: noon, IDs: ids, Prefix: "serving", Runtime: "gpu-runtime"}
}

// split is a configuration of models by version, each with its share, and pins as the registry would give them.
func split(t *testing.T, shares map[int64]int32) (domain.Config, []domain.Pin) {
	t.Helper()
	var c domain.Config
	for version := int64(1); version <= 9; version++ {
		if share, ok := shares[version]; ok {
			c.Entities = append(c.Entities, model("", domain.ModelVersion{Name: "c.s.m", Version: version}.String()))
			c.Routes = append(c.Routes, domain.Traffic{Entity: "m-" + string(rune('0'+version)), Percent: share})
		}
	}
	c, err := c.Normal()
	require.NoError(t, err)
	return c, pinsOf(t, c)
}

func pinsOf(t *testing.T, c domain.Config) []domain.Pin {
	t.Helper()
	pins := make([]domain.Pin, len(c.Entities))
	for i, e := range c.Entities {
		if e.Model == nil {
			continue
		}
		r, err := domain.ParseReference(domain.Models, e.Model.Reference)
		require.NoError(t, err)
		pins[i].Model = domain.ModelVersion{Name: r.Name, Version: max(r.Version, 1)}
	}
	return pins
}

func propose(t *testing.T, e *domain.Endpoint, s domain.Stamp, shares map[int64]int32) {
	t.Helper()
	c, pins := split(t, shares)
	require.NoError(t, e.Propose(c, pins, "alice", s))
	require.NoError(t, e.Check())
}

// serving is an endpoint whose first revision is active.
func serving(t *testing.T, s domain.Stamp, shares map[int64]int32) *domain.Endpoint {
	t.Helper()
	e := domain.Draft("chat", "", "alice", nil, s)
	e.Registered = true
	propose(t, e, s, shares)
	answerAll(t, e, s)
	require.Equal(t, domain.Ready, e.Readiness())
	return e
}

func answerAll(t *testing.T, e *domain.Endpoint, s domain.Stamp) {
	t.Helper()
	for _, i := range e.Instances {
		if i.State == domain.Loading {
			require.True(t, e.Probed(i.ID, s))
			require.NoError(t, e.Check())
		}
	}
}
