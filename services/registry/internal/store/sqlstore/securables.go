package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/pkg/sqlkit"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

const selectSecurable = `select id, parent_id, type, full_name, comment, owner, latest_version, create_time, update_time from securable `

func scanSecurable(scan func(...any) error) (s domain.Securable, err error) {
	var parent sql.NullString
	var created, updated int64
	err = scan(&s.ID, &parent, &s.Ref.Type, &s.Ref.FullName, &s.Comment, &s.Owner, &s.LatestVersion, &created, &updated)
	s.ParentID, s.CreateTime, s.UpdateTime = parent.String, sqlkit.Time(created), sqlkit.Time(updated)
	return s, err
}

// Find implements store.Securables.
func (r reader) Find(ctx context.Context, refs []domain.Ref) (map[domain.Ref]domain.Securable, error) {
	found := make(map[domain.Ref]domain.Securable, len(refs))
	for some := range slices.Chunk(refs, maxList) {
		byType := map[domain.SecurableType][]string{}
		for _, ref := range some {
			byType[ref.Type] = append(byType[ref.Type], ref.FullName)
		}
		var args arguments
		var where []string
		for t, names := range byType {
			where = append(where, `type = `+args.add(string(t))+` and full_name in `+args.list(names))
		}
		all, err := collect(ctx, r.q, "registry.store.Find", selectSecurable+`where `+strings.Join(where, ` or `), args, scanSecurable)
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			found[s.Ref] = s
		}
	}
	return found, nil
}

// List implements store.Securables.
func (r reader) List(ctx context.Context, t domain.SecurableType, parentID, after string, limit int) ([]domain.Securable, error) {
	var args arguments
	query := selectSecurable + `where type = ` + args.add(string(t)) + ` and full_name > ` + args.add(after)
	if parentID != "" {
		query += ` and parent_id = ` + args.add(parentID)
	}
	query += ` order by full_name limit ` + args.add(limit)
	return collect(ctx, r.q, "registry.store.List", query, args, scanSecurable)
}

// Lines implements store.Securables.
func (r reader) Lines(ctx context.Context, of []domain.Securable) ([]domain.Line, error) {
	const op = "registry.store.Lines"
	lines := make([]domain.Line, len(of))
	byID := make(map[string]*domain.Line, len(of))
	ids := make([]string, len(of))
	for i, s := range of {
		lines[i] = domain.Line{Securable: s, Aliases: map[string]int64{}, Tags: map[string]string{}}
		byID[s.ID], ids[i] = &lines[i], s.ID
	}
	for some := range slices.Chunk(ids, maxList) {
		var args arguments
		in := args.list(some)
		if _, err := collect(ctx, r.q, op, `select line_id, alias, version from alias where line_id in `+in, args, func(scan func(...any) error) (struct{}, error) {
			var id, alias string
			var version int64
			err := scan(&id, &alias, &version)
			if err == nil {
				byID[id].Aliases[alias] = version
			}
			return struct{}{}, err
		}); err != nil {
			return nil, err
		}
		if _, err := collect(ctx, r.q, op, `select securable_id, key, value from tag where version = 0 and securable_id in `+in, args, func(scan func(...any) error) (struct{}, error) {
			var id, key, value string
			err := scan(&id, &key, &value)
			if err == nil {
				byID[id].Tags[key] = value
			}
			return struct{}{}, err
		}); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// Create implements store.SecurableChanges.
func (t *transaction) Create(ctx context.Context, s domain.Securable) error {
	const op = "registry.store.Create"
	_, err := t.q.ExecContext(ctx, `insert into securable (id, parent_id, type, full_name, comment, owner, create_time, update_time)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		s.ID, nullable(s.ParentID, s.ParentID == ""), string(s.Ref.Type), s.Ref.FullName, s.Comment, s.Owner, sqlkit.Micros(s.CreateTime), sqlkit.Micros(s.UpdateTime))
	if sqlkit.IsUnique(err) {
		return fault.Wrap(op, fault.AlreadyExists, err, "%s already exists", s.Ref)
	}
	return sqlkit.Fault(op, err)
}

// Save implements store.SecurableChanges.
func (t *transaction) Save(ctx context.Context, s domain.Securable) error {
	return one(ctx, t.q, "registry.store.Save", `update securable set comment = $2, owner = $3, update_time = $4 where id = $1`,
		s.ID, s.Comment, s.Owner, sqlkit.Micros(s.UpdateTime))
}

// Delete implements store.SecurableChanges. The root has no parent and is never deleted.
func (t *transaction) Delete(ctx context.Context, id string) error {
	const op = "registry.store.Delete"
	err := one(ctx, t.q, op, `delete from securable where id = $1 and parent_id is not null`, id)
	if fault.Is(err, fault.FailedPrecondition) {
		return fault.Wrap(op, fault.FailedPrecondition, err, "it is not empty").WithReason("NOT_EMPTY")
	}
	return err
}

// SetTags implements store.SecurableChanges.
func (t *transaction) SetTags(ctx context.Context, id string, version int64, set map[string]string, remove []string) error {
	const op = "registry.store.SetTags"
	for _, key := range remove {
		if _, err := exec(ctx, t.q, op, `delete from tag where securable_id = $1 and version = $2 and key = $3`, id, version, key); err != nil {
			return err
		}
	}
	for key, value := range set {
		if _, err := exec(ctx, t.q, op, `insert into tag (securable_id, version, key, value) values ($1, $2, $3, $4)
			on conflict (securable_id, version, key) do update set value = excluded.value`, id, version, key, value); err != nil {
			return err
		}
	}
	return nil
}
