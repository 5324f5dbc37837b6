package inference

import (
	"strings"
	"unicode/utf8"

	"github.com/slipway-ai/slipway/services/monitor/internal/inference/lang"
)

// extract reads the features. A body that is not JSON, or is JSON of another
// shape, has the features that need no JSON.
func (r *Record) extract() {
	r.Features = Features{ModelName: modelName(r.ModelVersion)}
	prompt := r.readRequest()
	answer := r.readResponse()
	if r.ResponseText == "" {
		r.ResponseText = answer
	}
	r.PromptChars = int64(utf8.RuneCountInString(prompt))
	r.ResponseChars = int64(utf8.RuneCountInString(r.ResponseText))
	if prompt != "" {
		r.Lang, r.LangConfidence = lang.Detect(prompt)
	}
	if r.ResponseText != "" {
		r.ResponseLang, _ = lang.Detect(r.ResponseText)
	}
	r.Refusal = r.Refusal || r.FinishReason == "content_filter" || refuses(r.ResponseText)
	if r.Stream && r.OutputTokens > 1 && r.TTFT > 0 && r.ExecutionDuration > r.TTFT {
		r.TPOT = (r.ExecutionDuration - r.TTFT) / (r.OutputTokens - 1)
	}
}

// modelName is c.s.m of models:/c.s.m/3 or models:/c.s.m@alias, and any other
// text as it is.
func modelName(version string) string {
	name, ok := strings.CutPrefix(version, "models:/")
	if !ok {
		return version
	}
	if i := strings.IndexAny(name, "/@"); i >= 0 {
		name = name[:i]
	}
	return name
}

// readRequest returns the text that the user put: the last user message of a
// chat, else the prompt, else the input of an embedding.
func (r *Record) readRequest() string {
	body := parse(r.Request)
	if body.missing() {
		return ""
	}
	r.RequestedModel = cutField(body.at("model").text())
	r.EndUser = cutField(body.at("user").text())
	r.ResponseFormat = cutField(body.at("response_format").at("type").text())
	r.Tools = int64(body.at("tools").len())
	for _, name := range []string{"max_completion_tokens", "max_tokens", "max_output_tokens"} {
		if n, ok := body.at(name).whole(); ok {
			r.MaxTokens = n
			break
		}
	}
	if t, ok := body.at("temperature").number(); ok {
		r.Temperature = &t
	}
	if m := body.at("messages"); m.isArray() {
		return r.lastUser(m)
	}
	if in := body.at("input"); in.isArray() && !in.index(0).at("role").missing() {
		return r.lastUser(in) // the responses dialect writes messages so
	}
	for _, name := range []string{"prompt", "input", "inputs", "query", "question"} {
		if t := body.at(name).joined(); t != "" {
			return t
		}
	}
	return ""
}

func (r *Record) lastUser(messages node) string {
	last := ""
	n := 0
	messages.each(func(m node) {
		n++
		if m.at("role").text() == "user" {
			last = m.at("content").joined()
		}
	})
	r.Messages = int64(n)
	return last
}

// readResponse returns the text of the answer; several choices are joined by a
// line each.
func (r *Record) readResponse() string {
	body := parse(r.Response)
	if body.missing() {
		return r.Response // a stream's text, or what a provider wrote instead of JSON
	}
	if s := body.text(); s != "" {
		return s
	}
	r.CachedTokens, _ = body.at("usage").at("prompt_tokens_details").at("cached_tokens").whole()
	if r.CachedTokens == 0 {
		r.CachedTokens, _ = body.at("usage").at("cache_read_input_tokens").whole()
	}
	var texts []string
	add := func(t string) {
		if t != "" {
			texts = append(texts, t)
		}
	}
	finish := ""
	body.at("choices").each(func(c node) {
		m := c.at("message")
		add(m.at("content").joined())
		add(c.at("text").text())
		if t := m.at("refusal").text(); t != "" {
			r.Refusal = true
			add(t)
		}
		r.ToolCalls += int64(m.at("tool_calls").len())
		if finish == "" {
			finish = c.at("finish_reason").text()
		}
	})
	// The messages dialect and the responses dialect.
	if c := body.at("content"); c.isArray() {
		add(c.joined())
		c.each(func(p node) {
			if p.at("type").text() == "tool_use" {
				r.ToolCalls++
			}
		})
	}
	body.at("output").each(func(o node) {
		add(o.at("content").joined())
		if o.at("type").text() == "function_call" {
			r.ToolCalls++
		}
	})
	if finish == "" {
		finish = body.at("stop_reason").text()
	}
	if r.FinishReason == "" {
		r.FinishReason = cutField(finish)
	}
	if finish == "refusal" {
		r.Refusal = true
	}
	return strings.Join(texts, "\n")
}

// cutField keeps what a caller put into a small field small.
func cutField(s string) string {
	const limit = 256
	if len(s) <= limit {
		return s
	}
	return cutRunes(s, limit)
}
