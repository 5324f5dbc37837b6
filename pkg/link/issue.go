package link

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	authorityYears   = 10
	certificateYears = 2
)

// IssueMesh writes a development authority and one certificate per service into dir: ca.crt, ca.key, NAME.crt, NAME.key,
// all readable by their owner alone. A certificate is good for the service's name, localhost, the loopback addresses and
// the hosts given, as server and as client. Files of an earlier mesh are replaced. In production the files come from the
// operator's own authority; only their names are ours.
func IssueMesh(dir string, services, hosts []string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	now := time.Now()
	ca, err := issue(authority(now), nil)
	if err != nil {
		return err
	}
	if err := ca.write(dir, "ca"); err != nil {
		return err
	}
	for _, name := range services {
		c, err := issue(certificate(name, hosts, now), ca)
		if err != nil {
			return err
		}
		if err := c.write(dir, name); err != nil {
			return err
		}
	}
	return nil
}

func authority(now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: "slipway development authority"},
		NotBefore:             now.Add(-time.Hour), // clocks of a mesh differ a little
		NotAfter:              now.AddDate(authorityYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
	}
}

func certificate(name string, hosts []string, now time.Time) *x509.Certificate {
	c := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    now.AddDate(certificateYears, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{name, "localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	return c
}

type issued struct {
	cert *x509.Certificate
	der  []byte
	key  *ecdsa.PrivateKey
}

// issue signs a template with a new key; by itself when there is no parent.
func issue(template *x509.Certificate, parent *issued) (*issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	signer, signerKey := template, key
	if parent != nil {
		signer, signerKey = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, key.Public(), signerKey)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	return &issued{cert: cert, der: der, key: key}, nil
}

func (c *issued) write(dir, name string) error {
	key, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	if err := writePEM(filepath.Join(dir, name+".crt"), "CERTIFICATE", c.der); err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, name+".key"), "PRIVATE KEY", key)
}

// writePEM replaces a file at once, never widening who may read it: an older file's mode does not survive.
func writePEM(path, kind string, der []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".mesh-*") // created 0600
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if err := pem.Encode(f, &pem.Block{Type: kind, Bytes: der}); err != nil {
		_ = f.Close()
		return fmt.Errorf("link: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	return nil
}
