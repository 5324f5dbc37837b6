package peer

import (
	"context"

	"github.com/slipway-ai/slipway/pkg/fault"
	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/serving/internal/domain"
)

// maxQuestions is how many the registry answers at once.
const maxQuestions = 1000

var privileges = map[domain.Privilege]registryv1.Privilege{
	domain.CreateEndpoint: registryv1.Privilege_PRIVILEGE_CREATE_ENDPOINT,
	domain.Execute:        registryv1.Privilege_PRIVILEGE_EXECUTE,
	domain.Manage:         registryv1.Privilege_PRIVILEGE_MANAGE,
}

// Check answers questions about the caller, in order.
func (r *Registry) Check(ctx context.Context, questions ...domain.Question) ([]domain.Answer, error) {
	var answers []domain.Answer
	for len(questions) > 0 {
		n := min(len(questions), maxQuestions)
		some, err := r.check(ctx, questions[:n])
		if err != nil {
			return nil, err
		}
		answers, questions = append(answers, some...), questions[n:]
	}
	return answers, nil
}

func (r *Registry) check(ctx context.Context, questions []domain.Question) ([]domain.Answer, error) {
	req := &registryv1.CheckAccessRequest{}
	for _, q := range questions {
		req.Questions = append(req.Questions, &registryv1.AccessQuestion{Securable: securable(q.Endpoint), Privilege: privileges[q.Privilege]})
	}
	got, err := r.access.CheckAccess(ctx, req)
	if err != nil {
		return nil, err
	}
	if len(got.GetAnswers()) != len(questions) {
		return nil, fault.New("peer.Check", fault.Internal, "internal error")
	}
	answers := make([]domain.Answer, len(questions))
	for i, a := range got.GetAnswers() {
		answers[i] = domain.Answer{Allowed: a.GetAllowed(), Visible: a.GetVisible(), Reason: a.GetReason()}
	}
	return answers, nil
}

// Register makes an endpoint known as a securable; one that is known already is AlreadyExists.
func (r *Registry) Register(ctx context.Context, endpoint, owner string) error {
	_, err := r.access.RegisterSecurable(ctx, &registryv1.RegisterSecurableRequest{Securable: securable(endpoint), Owner: owner})
	return err
}

// Unregister forgets an endpoint with its grants. Forgetting what is not known succeeds.
func (r *Registry) Unregister(ctx context.Context, endpoint string) error {
	_, err := r.access.UnregisterSecurable(ctx, &registryv1.UnregisterSecurableRequest{Securable: securable(endpoint)})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

func securable(endpoint string) *registryv1.Securable {
	if endpoint == "" {
		return &registryv1.Securable{Type: registryv1.SecurableType_SECURABLE_TYPE_METASTORE}
	}
	return &registryv1.Securable{Type: registryv1.SecurableType_SECURABLE_TYPE_ENDPOINT, FullName: endpoint}
}
