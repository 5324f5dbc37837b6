package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// MetadataKey is where a principal travels between services. It is believed on connections whose other end has been
// verified, and refused on all others: see pkg/rpc.
const MetadataKey = "slipway-principal"

// MaxEncoded is the longest encoded principal, in bytes, that Decode looks at.
const MaxEncoded = 16 << 10

// Encode writes p for MetadataKey, in printable ASCII.
func Encode(p Principal) string {
	b, err := json.Marshal(p)
	if err != nil {
		panic("auth: a principal is plain data: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// Decode reads what Encode wrote. It refuses a principal without a name or of a kind it does not know.
func Decode(s string) (Principal, error) {
	if len(s) > MaxEncoded {
		return Principal{}, fmt.Errorf("auth: principal of %d bytes, at most %d", len(s), MaxEncoded)
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return Principal{}, fmt.Errorf("auth: principal is not base64url: %w", err)
	}
	var p Principal
	if err := json.Unmarshal(b, &p); err != nil {
		return Principal{}, fmt.Errorf("auth: principal is not JSON: %w", err)
	}
	if p.Name == "" {
		return Principal{}, errors.New("auth: principal without a name")
	}
	switch p.Kind {
	case User, ServiceAccount, Internal:
		return p, nil
	}
	return Principal{}, fmt.Errorf("auth: principal of unknown kind %q", p.Kind)
}
