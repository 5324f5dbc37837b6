// Package client is a small OpenAI caller for tests that need to see more than an official client shows: whether an
// answer was received to its last byte, and the bare status, headers and error body.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Caller asks one platform with one token.
type Caller struct {
	URL, Token string
	HTTP       *http.Client
}

// Ask is one question.
type Ask struct {
	Endpoint string
	Question string
	Stream   bool
	Body     map[string]any    // further fields
	Header   map[string]string // further headers
}

// Answer is what came back.
type Answer struct {
	Status   int
	Header   http.Header
	Text     string
	Complete bool // the last byte arrived: a whole JSON body, or [DONE]
	Error    Error
	Input    int64
	Output   int64
}

// Error is OpenAI's error object; zero when there is none.
type Error struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Param   string `json:"param"`
	Code    string `json:"code"`
}

// Chat asks. An error means that the connection broke before a status came, or in the middle of the answer.
func (c Caller) Chat(ctx context.Context, a Ask) (Answer, error) {
	body := map[string]any{"model": a.Endpoint, "messages": []map[string]string{{"role": "user", "content": a.Question}}, "temperature": 0}
	if a.Stream {
		body["stream"] = true
	}
	for k, v := range a.Body {
		body[k] = v
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return Answer{}, err
	}
	return c.Post(ctx, "/v1/chat/completions", raw, a.Header)
}

// Post sends bytes as they are.
func (c Caller) Post(ctx context.Context, path string, raw []byte, header map[string]string) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+path, bytes.NewReader(raw))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	httpClient := c.HTTP
	if httpClient == nil {
		httpClient = http.DefaultClient
	}
	res, err := httpClient.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	out := Answer{Status: res.StatusCode, Header: res.Header}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		err := readStream(res.Body, &out)
		return out, err
	}
	err = readWhole(res.Body, &out)
	return out, err
}

type message struct {
	Choices []struct {
		Message struct{ Content string } `json:"message"`
		Delta   struct{ Content string } `json:"delta"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
	} `json:"usage"`
	Error *Error `json:"error"`
}

func (m message) into(out *Answer) {
	if m.Error != nil {
		out.Error = *m.Error
	}
	if m.Usage != nil {
		out.Input, out.Output = m.Usage.Prompt, m.Usage.Completion
	}
	if len(m.Choices) > 0 {
		out.Text += m.Choices[0].Message.Content + m.Choices[0].Delta.Content
	}
}

func readWhole(r io.Reader, out *Answer) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	m.into(out)
	out.Complete = true
	return nil
}

func readStream(r io.Reader, out *Answer) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			out.Complete = true
			continue
		}
		var m message
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			return err
		}
		m.into(out)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if !out.Complete && out.Error.Message == "" {
		return errors.New("the stream ended without [DONE]")
	}
	return nil
}
