package dialect

import "fmt"

// Embeddings is an embeddings request as a local engine takes it.
type Embeddings struct {
	Inputs     []string
	Base64     bool
	Dimensions int64 // 0: the model's own
}

// MaxInputs is how many texts one request may hold, as at OpenAI.
const MaxInputs = 2048

// Embeddings translates an OpenAI embeddings request for a local engine.
func (r *Request) Embeddings() (Embeddings, error) {
	var e Embeddings
	format, err := r.Str(FieldEncodingFormat)
	if err != nil {
		return e, err
	}
	switch format {
	case "", "float":
	case "base64":
		e.Base64 = true
	default:
		return e, param("encoding_format", "INVALID_PARAMETER", "encoding_format must be float or base64")
	}
	n, given, err := r.Int(FieldDimensions)
	if err != nil {
		return e, err
	}
	if given && n < 1 {
		return e, param("dimensions", "INVALID_PARAMETER", "dimensions must be at least 1")
	}
	e.Dimensions = n
	e.Inputs, err = r.inputs()
	return e, err
}

func (r *Request) inputs() ([]string, error) {
	raw := r.raw(FieldInput)
	if raw == nil {
		return nil, param("input", "MISSING_PARAMETER", "input is required")
	}
	if s, ok := text(raw); ok {
		if s == "" {
			return nil, param("input", "INVALID_PARAMETER", "input must not be empty")
		}
		return []string{s}, nil
	}
	if raw[0] != '[' {
		return nil, wrongType(FieldInput, "a string or an array of strings")
	}
	var inputs []string
	err := elements(raw, func(i int, val []byte) error {
		s, ok := text(val)
		switch {
		case !ok && (val[0] == '[' || val[0] == '-' || val[0] >= '0' && val[0] <= '9'):
			return unsupported("input", "arrays of tokens; send text")
		case !ok:
			return wrongType(FieldInput, "a string or an array of strings")
		case s == "":
			return param(fmt.Sprintf("input[%d]", i), "INVALID_PARAMETER", "input[%d] must not be empty", i)
		case i == MaxInputs:
			return param("input", "INVALID_PARAMETER", "input must hold at most %d texts", MaxInputs)
		}
		inputs = append(inputs, s)
		return nil
	})
	if err == nil && len(inputs) == 0 {
		err = param("input", "INVALID_PARAMETER", "input must not be empty")
	}
	return inputs, err
}
