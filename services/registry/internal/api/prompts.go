package api

import (
	"context"

	registryv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/registry/v1"
	"github.com/slipway-ai/slipway/services/registry/internal/domain"
)

type prompts struct {
	registryv1.UnimplementedPromptServiceServer
	v Verbs
}

func (s prompts) CreatePrompt(ctx context.Context, r *registryv1.CreatePromptRequest) (*registryv1.CreatePromptResponse, error) {
	p, err := s.v.Tree.Create(ctx, domain.TypePrompt, r.GetFullName(), r.GetComment(), r.GetTags())
	if err != nil {
		return nil, err
	}
	return &registryv1.CreatePromptResponse{Prompt: promptOut(p)}, nil
}

func (s prompts) GetPrompt(ctx context.Context, r *registryv1.GetPromptRequest) (*registryv1.GetPromptResponse, error) {
	p, err := s.v.Tree.Get(ctx, domain.TypePrompt, r.GetFullName())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetPromptResponse{Prompt: promptOut(p)}, nil
}

func (s prompts) ListPrompts(ctx context.Context, r *registryv1.ListPromptsRequest) (*registryv1.ListPromptsResponse, error) {
	list, next, err := s.v.Tree.List(ctx, domain.TypePrompt, r.GetSchema(), r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListPromptsResponse{Prompts: each(list, promptOut), NextPageToken: next}, nil
}

func (s prompts) DeletePrompt(ctx context.Context, r *registryv1.DeletePromptRequest) (*registryv1.DeletePromptResponse, error) {
	if err := s.v.Tree.Delete(ctx, domain.TypePrompt, r.GetFullName()); err != nil {
		return nil, err
	}
	return &registryv1.DeletePromptResponse{}, nil
}

func (s prompts) CreatePromptVersion(ctx context.Context, r *registryv1.CreatePromptVersionRequest) (*registryv1.CreatePromptVersionResponse, error) {
	d := domain.PromptDraft{Template: r.GetTemplate(), Syntax: syntaxIn(r.GetSyntax()), Parameters: r.GetParameters(), Comment: r.GetComment(), Tags: r.GetTags()}
	for _, m := range r.GetMessages() {
		d.Messages = append(d.Messages, domain.Message{Role: m.GetRole(), Content: m.GetContent()})
	}
	v, err := s.v.Prompts.CreateVersion(ctx, r.GetPrompt(), d)
	if err != nil {
		return nil, err
	}
	return &registryv1.CreatePromptVersionResponse{PromptVersion: promptVersionOut(v)}, nil
}

func (s prompts) ImportPromptVersion(ctx context.Context, r *registryv1.ImportPromptVersionRequest) (*registryv1.ImportPromptVersionResponse, error) {
	v, err := s.v.Prompts.ImportVersion(ctx, r.GetPrompt(), r.GetFileName(), r.GetContent())
	if err != nil {
		return nil, err
	}
	return &registryv1.ImportPromptVersionResponse{PromptVersion: promptVersionOut(v)}, nil
}

func (s prompts) GetPromptVersion(ctx context.Context, r *registryv1.GetPromptVersionRequest) (*registryv1.GetPromptVersionResponse, error) {
	v, err := s.v.Prompts.Version(ctx, r.GetPrompt(), r.GetVersion())
	if err != nil {
		return nil, err
	}
	return &registryv1.GetPromptVersionResponse{PromptVersion: promptVersionOut(v)}, nil
}

func (s prompts) ListPromptVersions(ctx context.Context, r *registryv1.ListPromptVersionsRequest) (*registryv1.ListPromptVersionsResponse, error) {
	list, next, err := s.v.Prompts.Versions(ctx, r.GetPrompt(), r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &registryv1.ListPromptVersionsResponse{PromptVersions: each(list, promptVersionOut), NextPageToken: next}, nil
}

func (s prompts) ResolvePromptVersion(ctx context.Context, r *registryv1.ResolvePromptVersionRequest) (*registryv1.ResolvePromptVersionResponse, error) {
	v, err := s.v.Prompts.Resolve(ctx, r.GetUri())
	if err != nil {
		return nil, err
	}
	return &registryv1.ResolvePromptVersionResponse{PromptVersion: promptVersionOut(v)}, nil
}

func (s prompts) SetPromptAlias(ctx context.Context, r *registryv1.SetPromptAliasRequest) (*registryv1.SetPromptAliasResponse, error) {
	previous, err := s.v.Lines.SetAlias(ctx, domain.TypePrompt, r.GetPrompt(), r.GetAlias(), r.GetVersion())
	if err != nil {
		return nil, err
	}
	return &registryv1.SetPromptAliasResponse{PreviousVersion: previous}, nil
}

func (s prompts) DeletePromptAlias(ctx context.Context, r *registryv1.DeletePromptAliasRequest) (*registryv1.DeletePromptAliasResponse, error) {
	if err := s.v.Lines.DeleteAlias(ctx, domain.TypePrompt, r.GetPrompt(), r.GetAlias()); err != nil {
		return nil, err
	}
	return &registryv1.DeletePromptAliasResponse{}, nil
}

func promptOut(l domain.Line) *registryv1.Prompt {
	return &registryv1.Prompt{
		FullName: l.Ref.FullName, Comment: l.Comment, Owner: l.Owner, Aliases: l.Aliases, Tags: l.Tags, LatestVersion: l.LatestVersion,
		CreateTime: timeOut(l.CreateTime), UpdateTime: timeOut(l.UpdateTime),
	}
}

func syntaxIn(s registryv1.TemplateSyntax) domain.Syntax {
	switch s {
	case registryv1.TemplateSyntax_TEMPLATE_SYNTAX_UNSPECIFIED:
		return ""
	case registryv1.TemplateSyntax_TEMPLATE_SYNTAX_DOUBLE_BRACE:
		return domain.DoubleBrace
	case registryv1.TemplateSyntax_TEMPLATE_SYNTAX_SINGLE_BRACE:
		return domain.SingleBrace
	}
	return domain.Syntax(s.String()) // which flow refuses
}

func promptVersionOut(v domain.PromptVersion) *registryv1.PromptVersion {
	syntax := registryv1.TemplateSyntax_TEMPLATE_SYNTAX_SINGLE_BRACE
	if v.Syntax == domain.DoubleBrace {
		syntax = registryv1.TemplateSyntax_TEMPLATE_SYNTAX_DOUBLE_BRACE
	}
	return &registryv1.PromptVersion{
		Prompt: v.Prompt.FullName, Version: v.Version, Template: v.Template, Syntax: syntax, Variables: v.Variables, Parameters: v.Parameters,
		Messages: each(v.Messages, func(m domain.Message) *registryv1.PromptMessage {
			return &registryv1.PromptMessage{Role: m.Role, Content: m.Content}
		}),
		Comment: v.Comment, Tags: v.Tags, Creator: v.Creator, CreateTime: timeOut(v.CreateTime), Aliases: v.Aliases, Digest: v.Digest,
	}
}
