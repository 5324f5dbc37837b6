// Package migrations holds the registry's schema, once for each dialect. The two folders say the same; where they differ
// they say why.
package migrations

import "embed"

// FS has the folders sqlite and postgres.
//
//go:embed sqlite/*.sql postgres/*.sql
var FS embed.FS
