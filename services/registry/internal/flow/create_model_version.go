package flow

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
	"github.com/slipway-ai/slipway/services/registry/internal/store"
)

// VersionDraft is what its producer says of a new model version.
type VersionDraft struct {
	Model   string
	Format  string
	Comment string
	Tags    map[string]string
	Source  string
}

// CreateVersion opens a version, PENDING_UPLOAD. A source that is a reference is drawn as a lineage edge; one to something
// of this registry must exist and be visible to the caller.
func (m Models) CreateVersion(ctx context.Context, d VersionDraft) (domain.ModelVersion, error) {
	const op = "registry.CreateModelVersion"
	v, err := newVersion(d)
	if err != nil {
		return domain.ModelVersion{}, err
	}
	err = m.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		s, err := require(ctx, tx, op, v.Model, domain.Manage, domain.CreateModelVersion)
		if err != nil {
			return err
		}
		now := m.now()
		v.ModelID, v.Creator, v.CreateTime, v.UpdateTime = s.ID, actor(ctx), now, now
		if v.Version, err = tx.NextVersion(ctx, s.ID, now); err != nil {
			return err
		}
		if err := tx.CreateModelVersion(ctx, v); err != nil {
			return err
		}
		if err := m.drawSource(ctx, tx, op, v); err != nil {
			return err
		}
		tx.Emit(m.versionEvent(ctx, domain.Created, v))
		return nil
	})
	return v, err
}

func newVersion(d VersionDraft) (v domain.ModelVersion, err error) {
	if v.Model, err = domain.ParseRef(domain.TypeModel, d.Model); err != nil {
		return v, err
	}
	if err = domain.CheckFormat(d.Format); err != nil {
		return v, err
	}
	if v.Comment, err = domain.ParseComment(d.Comment); err != nil {
		return v, err
	}
	if v.Source, err = domain.ParseSource(d.Source); err != nil {
		return v, err
	}
	v.Status, v.Format, v.Tags, v.Properties = domain.Pending, d.Format, d.Tags, map[string]string{}
	return v, domain.CheckTags(d.Tags, nil)
}

func (m Models) drawSource(ctx context.Context, tx store.Tx, op string, v domain.ModelVersion) error {
	source, relation, ok := domain.SourceEntity(v.Source)
	if !ok {
		return nil
	}
	uri, err := resolveEntity(ctx, tx, op, source, domain.Execute, domain.Manage)
	if err != nil {
		return fault.Wrap(op, fault.KindOf(err), err, "the source %s: %s", v.Source, fault.Text(err)).WithReason("SOURCE_UNKNOWN")
	}
	return tx.AddEdge(ctx, domain.Edge{Upstream: uri, Downstream: v.URI(), Relation: relation, Creator: v.Creator, CreateTime: v.CreateTime})
}

func (m Models) versionEvent(ctx context.Context, kind domain.EventKind, v domain.ModelVersion) domain.Event {
	e := m.event(ctx, kind, v.Model, v.UpdateTime)
	e.Entity, e.Version = domain.EntityModelVersion, v.Version
	return e
}
