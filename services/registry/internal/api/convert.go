package api

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

// each converts a list. It is never nil, so that JSON shows an empty list as one.
func each[A, B any](list []A, convert func(A) B) []B {
	out := make([]B, 0, len(list))
	for _, a := range list {
		out = append(out, convert(a))
	}
	return out
}

func timeOut(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

var securableTypes = map[registryv1.SecurableType]domain.SecurableType{
	registryv1.SecurableType_SECURABLE_TYPE_METASTORE: domain.TypeMetastore,
	registryv1.SecurableType_SECURABLE_TYPE_CATALOG:   domain.TypeCatalog,
	registryv1.SecurableType_SECURABLE_TYPE_SCHEMA:    domain.TypeSchema,
	registryv1.SecurableType_SECURABLE_TYPE_MODEL:     domain.TypeModel,
	registryv1.SecurableType_SECURABLE_TYPE_PROMPT:    domain.TypePrompt,
	registryv1.SecurableType_SECURABLE_TYPE_ENDPOINT:  domain.TypeEndpoint,
}

// securableIn is the type and name; an unknown type becomes one that flow refuses.
func securableIn(s *registryv1.Securable) (domain.SecurableType, string) {
	t, ok := securableTypes[s.GetType()]
	if !ok {
		t = domain.SecurableType(s.GetType().String())
	}
	return t, s.GetFullName()
}

func securableOut(r domain.Ref) *registryv1.Securable {
	for wire, t := range securableTypes {
		if t == r.Type {
			return &registryv1.Securable{Type: wire, FullName: r.FullName}
		}
	}
	return &registryv1.Securable{FullName: r.FullName}
}

const privilegePrefix = "PRIVILEGE_"

// privilegeIn reads the names of the wire, which are the domain's with a prefix; what the domain does not know, flow
// refuses.
func privilegeIn(p registryv1.Privilege) domain.Privilege {
	name := p.String()
	if len(name) > len(privilegePrefix) && name[:len(privilegePrefix)] == privilegePrefix {
		name = name[len(privilegePrefix):]
	}
	return domain.Privilege(name)
}

func privilegeOut(p domain.Privilege) registryv1.Privilege {
	return registryv1.Privilege(registryv1.Privilege_value[privilegePrefix+string(p)])
}

func fileOut(f domain.ArtifactFile) *registryv1.ArtifactFile {
	return &registryv1.ArtifactFile{Path: f.Path, SizeBytes: f.Size, Sha256: f.SHA256}
}

func fileIn(f *registryv1.ArtifactFile) domain.ArtifactFile {
	return domain.ArtifactFile{Path: f.GetPath(), Size: f.GetSizeBytes(), SHA256: f.GetSha256()}
}
