package domain

import (
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Provider is an OpenAI-compatible API somewhere else. Its key is kept apart, encrypted: see Sealed.
type Provider struct {
	Name       string
	BaseURL    string // absolute, without a trailing slash
	KeyHint    string // "sk-…9f3a"; "" without a key
	CreateTime time.Time
	UpdateTime time.Time
}

// Sealed is a provider's key as it lies in the store: encrypted, bound to the provider's name. Empty: no key.
type Sealed []byte

// Keyset is the keys that seal, themselves sealed by the master key.
type Keyset struct {
	Name       string
	Revision   int64 // 1 for the first; each change adds one
	Sealed     []byte
	RotateTime time.Time // when its newest key was made
}

// HasKey reports whether a key is stored.
func (p Provider) HasKey() bool { return p.KeyHint != "" }

// BaseURL checks where a provider is and writes it one way. What is refused here would otherwise be a way to leak (a
// password in a URL that everybody may list) or a way in (the address at which clouds hand a machine its own credentials;
// the gateway must not become the errand boy that fetches them). Addresses behind a name are judged when it is dialled.
func BaseURL(raw string, allowLinkLocal bool) (string, error) {
	const op, reason = "domain.BaseURL", "BASE_URL_INVALID"
	u, err := url.Parse(strings.TrimSpace(raw))
	switch {
	case err != nil: // its text repeats the URL, which may hold a password
		return "", fault.New(op, fault.Invalid, "base_url is not a URL").WithReason(reason)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fault.New(op, fault.Invalid, "base_url must begin with http:// or https://").WithReason(reason)
	case u.User != nil:
		return "", fault.New(op, fault.Invalid, "base_url must not hold credentials; put the key into api_key").WithReason(reason)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fault.New(op, fault.Invalid, "base_url must not have a query or a fragment").WithReason(reason)
	case u.Hostname() == "" || u.Opaque != "":
		return "", fault.New(op, fault.Invalid, "base_url names no host").WithReason(reason)
	}
	if !allowLinkLocal && metadataHost(u.Hostname()) {
		return "", fault.New(op, fault.Invalid, "base_url points at a link-local or cloud metadata address").WithReason("BASE_URL_FORBIDDEN")
	}
	u.Host = strings.ToLower(u.Host)
	return strings.TrimRight(u.String(), "/"), nil
}

// Host is the host name or address in a URL that BaseURL accepted.
func Host(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// metadataNames are the names under which clouds serve a machine's credentials.
var metadataNames = []string{"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}

func metadataHost(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, n := range metadataNames {
		if host == n {
			return true
		}
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && MetadataAddress(addr)
}

// metadataAddresses are those that are not link-local.
var metadataAddresses = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // AWS over IPv6
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
}

// MetadataAddress reports whether an address is link-local or serves a cloud machine's credentials.
func MetadataAddress(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() {
		return true
	}
	for _, m := range metadataAddresses {
		if a == m {
			return true
		}
	}
	return false
}

// KeyHint is enough of a key to recognise it and too little to use it: the first three and last four characters of a long
// one, nothing of a short one.
func KeyHint(key string) string {
	const head, tail, least = 3, 4, 20
	switch {
	case key == "":
		return ""
	case len(key) < least || !utf8.ValidString(key):
		return "…"
	}
	r := []rune(key)
	return string(r[:head]) + "…" + string(r[len(r)-tail:])
}

// CheckKey refuses a key that no HTTP header can carry.
func CheckKey(key string) error {
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return fault.New("domain.CheckKey", fault.Invalid, "api_key must be printable ASCII without spaces").WithReason("API_KEY_INVALID")
		}
	}
	return nil
}
