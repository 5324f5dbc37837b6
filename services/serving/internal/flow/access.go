package flow

import (
	"context"
	"strings"

	"github.com/slipway-ai/slipway/pkg/auth"
	"github.com/slipway-ai/slipway/pkg/fault"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// require is nil when the caller has any of the privileges on an endpoint. It is PermissionDenied, with what is missing,
// when the caller may know that the endpoint exists, and otherwise NotFound in the words of an endpoint that does not.
func (s *Service) require(ctx context.Context, op, endpoint string, anyOf ...domain.Privilege) error {
	p, err := caller(ctx, op)
	if err != nil {
		return err
	}
	var questions []domain.Question
	for _, privilege := range anyOf {
		questions = append(questions, domain.Question{Endpoint: endpoint, Privilege: privilege})
	}
	answers, err := s.Registry.Check(ctx, questions...)
	if err != nil {
		return err
	}
	return verdict(op, p, endpoint, answers)
}

func verdict(op string, p auth.Principal, endpoint string, answers []domain.Answer) error {
	visible, reason := false, ""
	for _, a := range answers {
		if a.Allowed {
			return nil
		}
		if a.Visible {
			visible, reason = true, a.Reason
		}
	}
	switch {
	case endpoint == "":
		return fault.New(op, fault.PermissionDenied, "%s %s", p.Name, orElse(reason, "needs CREATE_ENDPOINT")).WithReason("MISSING_PRIVILEGE")
	case visible:
		return fault.New(op, fault.PermissionDenied, "%s %s", p.Name, orElse(reason, "has no access")).WithReason("MISSING_PRIVILEGE")
	}
	return fault.New(op, fault.NotFound, "endpoint %q not found", endpoint)
}

func orElse(text, other string) string {
	if strings.TrimSpace(text) == "" {
		return other
	}
	return text
}
