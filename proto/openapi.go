// Package proto is the shared language of the services; the generated Go lives below gen/go. The package itself carries
// the generated description of the REST API, so that whoever serves it embeds no copy.
package proto

import _ "embed" // for the description

// OpenAPI is the REST API as a Swagger 2 document, JSON, as generated.
//
//go:embed gen/openapi/slipway.swagger.json
var OpenAPI []byte
