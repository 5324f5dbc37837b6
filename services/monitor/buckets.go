package monitor

// The object stores that a table URL may name. The package that opens them knows
// none by name; a driver is linked in by its import.
import (
	_ "gocloud.dev/blob/azureblob"
	_ "gocloud.dev/blob/gcsblob"
	_ "gocloud.dev/blob/memblob"
	_ "gocloud.dev/blob/s3blob"
)
