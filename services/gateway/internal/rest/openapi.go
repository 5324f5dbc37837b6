package rest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/proto"
)

// OpenAPI is the handler of the API's description: what was generated, and what no generator knows: its name and version,
// how one authenticates, the shape of errors, and the artifacts.
func OpenAPI(version string) (http.Handler, error) {
	const op = "rest.OpenAPI"
	var doc map[string]any
	if err := json.Unmarshal(proto.OpenAPI, &doc); err != nil {
		return nil, fault.Wrap(op, fault.Internal, err, "the API's description cannot be read")
	}
	doc["info"] = map[string]any{"title": "Slipway", "version": version, "description": "Package, serve, route and watch GenAI applications."}
	doc["securityDefinitions"] = map[string]any{
		"bearer": map[string]any{"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Bearer slw_…`"},
		"apiKey": map[string]any{"type": "apiKey", "in": "header", "name": "x-api-key"},
	}
	doc["security"] = []any{map[string]any{"bearer": []any{}}, map[string]any{"apiKey": []any{}}}
	paths, ok := doc["paths"].(map[string]any)
	definitions, ok2 := doc["definitions"].(map[string]any)
	if !ok || !ok2 {
		return nil, fault.New(op, fault.Internal, "the API's description has no paths or no definitions")
	}
	definitions["Problem"] = problemSchema()
	definitions["UploadArtifactResponse"] = map[string]any{"type": "object", "properties": map[string]any{
		"file": map[string]any{"$ref": "#/definitions/v1ArtifactFile"},
	}}
	paths[Prefix+"models/{model}/versions/{version}/artifacts/{path}"] = artifactPaths()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		describeErrors(paths[path])
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, fault.Wrap(op, fault.Internal, err, "the API's description cannot be written")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // a client that left needs no description
	}), nil
}

func problemSchema() map[string]any {
	text := func(description string) map[string]any {
		return map[string]any{"type": "string", "description": description}
	}
	return map[string]any{"type": "object", "description": "What went wrong.", "properties": map[string]any{
		"code":       text("The kind: INVALID, NOT_FOUND, PERMISSION_DENIED, …"),
		"message":    text("For people."),
		"reason":     text("Finer than the code: MODEL_NOT_FOUND, TOKEN_EXPIRED, …"),
		"request_id": text("Same as the header x-request-id."),
	}}
}

// describeErrors puts our error shape where the generator put gRPC's.
func describeErrors(path any) {
	operations, _ := path.(map[string]any)
	for _, operation := range operations {
		op, _ := operation.(map[string]any)
		if responses, ok := op["responses"].(map[string]any); ok {
			responses["default"] = map[string]any{"description": "An error.", "schema": map[string]any{"$ref": "#/definitions/Problem"}}
		}
	}
}

func artifactPaths() map[string]any {
	parameter := func(in, name, kind, description string, required bool) map[string]any {
		return map[string]any{"in": in, "name": name, "type": kind, "description": description, "required": required}
	}
	names := []any{
		parameter("path", "model", "string", "The model's full name.", true),
		parameter("path", "version", "string", "The version number.", true),
		parameter("path", "path", "string", "The file's path inside the version; may contain slashes.", true),
	}
	with := func(more ...any) []any { return append(slices.Clone(names), more...) }
	file := map[string]any{"type": "string", "format": "binary"}
	return map[string]any{
		"put": map[string]any{
			"summary": "Stores one file of a version that is PENDING_UPLOAD.", "operationId": "ArtifactService_UploadArtifact", "tags": []any{"ArtifactService"},
			"consumes": []any{"application/octet-stream"},
			"parameters": with(parameter("header", "x-slipway-sha256", "string", "The file's SHA-256 in hex; or Digest: sha-256=BASE64.", false),
				map[string]any{"in": "body", "name": "body", "required": true, "schema": file}),
			"responses": map[string]any{"200": map[string]any{"description": "The file as stored.", "schema": map[string]any{"$ref": "#/definitions/UploadArtifactResponse"}}},
		},
		"get": map[string]any{
			"summary": "Returns one file of a version.", "operationId": "ArtifactService_DownloadArtifact", "tags": []any{"ArtifactService"},
			"produces": []any{"application/octet-stream"}, "parameters": with(parameter("header", "Range", "string", "bytes=N- resumes.", false)),
			"responses": map[string]any{"200": map[string]any{"description": "The bytes.", "schema": file}},
		},
	}
}
