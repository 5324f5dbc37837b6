package edge

import (
	"net/http"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/gateway/internal/dialect"
	"github.com/slipway-ai/slipway/services/gateway/internal/route"
)

// models lists the endpoints that the caller may query, or shows one. It is counted against the limit; it is no row.
func (x *exchange) models() error {
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		return errMethod
	}
	if err := x.authenticate(); err != nil {
		return err
	}
	if !x.quota.Allowed {
		return x.limited()
	}
	table := x.Routes.Table()
	if x.to.model != "" {
		e := table.Endpoint(x.to.model)
		if e == nil {
			return noSuchEndpoint(x.to.model)
		}
		allowed, err := x.mayQuery(e)
		if err != nil {
			return err
		}
		if !allowed {
			return noSuchEndpoint(x.to.model)
		}
		x.write(http.StatusOK, dialect.AppendModel(nil, model(e)))
		return nil
	}
	var list []dialect.Model
	for _, e := range table.Endpoints() {
		allowed, err := x.mayQuery(e)
		if err != nil {
			return err
		}
		if allowed {
			list = append(list, model(e))
		}
	}
	x.write(http.StatusOK, dialect.AppendModels(nil, list))
	return nil
}

// mayQuery is false where access is denied, and an error where that cannot be told.
func (x *exchange) mayQuery(e *route.Endpoint) (bool, error) {
	err := x.Access.MayQuery(x.ctx, x.principal, e.Name)
	if fault.Is(err, fault.PermissionDenied) || fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

func model(e *route.Endpoint) dialect.Model {
	m := dialect.Model{Name: e.Name}
	if !e.Created.Equal(time.Time{}) {
		m.Created = e.Created.Unix()
	}
	return m
}
