package domain

// Entity is one thing behind an endpoint that can answer: a registered model or an external one, with or without a
// prompt that is rendered first. Exactly one of Model and External is set. The JSON names are what stores keep.
type Entity struct {
	Name     string    `json:"name"`
	Prompt   string    `json:"prompt,omitempty"` // a reference as it was asked for; empty: the request goes straight to the model
	Model    *Model    `json:"model,omitempty"`
	External *External `json:"external,omitempty"`
}

// Model is a registered model on an engine of ours.
type Model struct {
	Reference     string `json:"reference"`                // as it was asked for, possibly an alias
	ContextLength int32  `json:"context_length,omitempty"` // tokens per request; 0: the runtime decides
	Parallel      int32  `json:"parallel,omitempty"`       // requests decoded together; 0: the runtime decides
}

// External is a model of a provider that the gateway knows. Serving holds its name and nothing else: keys and addresses
// are the gateway's.
type External struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
	Task     string `json:"task,omitempty"` // "chat", "embeddings" or "" for both
}

// Traffic gives one entity its share of the requests that name none.
type Traffic struct {
	Entity  string `json:"entity"`
	Percent int32  `json:"percent"`
}

// References are what the entity needs of the registry: its model first, then its prompt. They have been checked by
// Config.Normal, so that errors cannot occur any more.
func (e Entity) References() []Reference {
	var refs []Reference
	if e.Model != nil {
		if r, err := ParseReference(Models, e.Model.Reference); err == nil {
			refs = append(refs, r)
		}
	}
	if e.Prompt != "" {
		if r, err := ParseReference(Prompts, e.Prompt); err == nil {
			refs = append(refs, r)
		}
	}
	return refs
}
