package link

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// TLS names the files of one end of the mesh: the authority whose certificates both ends believe, and the certificate
// and key this end shows. Both ends show one: a connection is mutually verified, or it is not made. The zero value is
// plaintext.
type TLS struct {
	CAFile   string `yaml:"ca_file" doc:"PEM file of the authority that issued every peer's certificate; empty for plaintext"`
	CertFile string `yaml:"cert_file" doc:"PEM file of this service's certificate; its names must include the service's"`
	KeyFile  string `yaml:"key_file" doc:"PEM file of the certificate's private key"`
}

// Enabled reports whether any file is named.
func (t TLS) Enabled() bool { return t != TLS{} }

// MeshTLS is the files that IssueMesh wrote for a service.
func MeshTLS(dir, service string) TLS {
	return TLS{
		CAFile:   filepath.Join(dir, "ca.crt"),
		CertFile: filepath.Join(dir, service+".crt"),
		KeyFile:  filepath.Join(dir, service+".key"),
	}
}

// server credentials: TLS 1.3, and a client without a certificate of our authority is turned away in the handshake.
func (t TLS) server() (credentials.TransportCredentials, error) {
	if !t.Enabled() {
		return insecure.NewCredentials(), nil
	}
	pool, err := t.load()
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  pool,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return t.pair()
		},
	}), nil
}

// client credentials: the server's name is taken from the connection's authority, which boot sets to the peer's service
// name, so that a certificate of the mesh opens only the door it was issued for.
func (t TLS) client() (credentials.TransportCredentials, error) {
	if !t.Enabled() {
		return insecure.NewCredentials(), nil
	}
	pool, err := t.load()
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    pool,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return t.pair()
		},
	}), nil
}

// load reads all three files once, so that a wrong path is an error at start and not at the first handshake.
func (t TLS) load() (*x509.CertPool, error) {
	if t.CAFile == "" || t.CertFile == "" || t.KeyFile == "" {
		return nil, fault.New("link.TLS", fault.Invalid, "tls needs ca_file, cert_file and key_file, or none of them")
	}
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, fault.Wrap("link.TLS", fault.Invalid, err, "tls ca_file %s cannot be read", t.CAFile)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.Wrap("link.TLS", fault.Invalid, errors.New("no certificate in it"), "tls ca_file %s is not PEM", t.CAFile)
	}
	if _, err := t.pair(); err != nil {
		return nil, fault.Wrap("link.TLS", fault.Invalid, err, "tls cert_file %s and key_file %s are not a pair", t.CertFile, t.KeyFile)
	}
	return pool, nil
}

// pair reads certificate and key at every handshake: connections between services live for hours, and a renewed
// certificate is then used without a restart.
func (t TLS) pair() (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	return &c, nil
}
