// Package page is how every list is cut: a size the server bounds, and an opaque token that holds the key of the last row
// shown. Keys instead of offsets, so that a row inserted or deleted between two pages neither repeats nor hides another.
package page

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// MaxToken is the longest token, in bytes, that Decode looks at.
const MaxToken = 4096

// Size is the number of rows to return for a requested size: def when the caller did not say, at most max. A negative
// request is Invalid.
func Size(req int32, def, limit int) (int, error) {
	switch {
	case req < 0:
		return 0, fault.New("page.Size", fault.Invalid, "page_size must not be negative").WithReason("PAGE_SIZE_INVALID")
	case req == 0:
		return min(def, limit), nil
	}
	return min(int(req), limit), nil
}

// Encode is the token that carries key, a value that encoding/json can write: usually a small struct with the columns of
// the order. A token is opaque, not secret: put nothing into it that its holder may not see.
func Encode(key any) string {
	b, err := json.Marshal(key)
	if err != nil {
		panic("page: key cannot be written as JSON: " + err.Error()) // a mistake of the program, not of its user
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// Decode reads a token into key, a pointer. The empty token leaves key as it is: the first page. A token that Encode did
// not make for this kind of key is Invalid.
func Decode(token string, key any) error {
	if token == "" {
		return nil
	}
	if err := decode(token, key); err != nil {
		return fault.Wrap("page.Decode", fault.Invalid, err, "page_token is not one that this list gave out").WithReason("PAGE_TOKEN_INVALID")
	}
	return nil
}

func decode(token string, key any) error {
	if len(token) > MaxToken {
		return errors.New("token too long")
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // the token of another list
	if err := d.Decode(key); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}
