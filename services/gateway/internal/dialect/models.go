package dialect

import "strconv"

// Model is one entry of the models list: an endpoint.
type Model struct {
	Name    string
	Created int64 // seconds since 1970
}

// AppendModel appends a model object.
func AppendModel(dst []byte, m Model) []byte {
	dst = AppendString(append(dst, `{"id":`...), m.Name)
	dst = strconv.AppendInt(append(dst, `,"object":"model","created":`...), m.Created, 10)
	return append(dst, `,"owned_by":"slipway"}`...)
}

// AppendModels appends a list of models.
func AppendModels(dst []byte, models []Model) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i, m := range models {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendModel(dst, m)
	}
	return append(dst, "]}"...)
}
