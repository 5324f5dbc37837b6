// Package migrations holds the schema's history, one folder for each dialect.
package migrations

import "embed"

// FS holds the goose files in sqlite/ and postgres/.
//
//go:embed sqlite/*.sql postgres/*.sql
var FS embed.FS
