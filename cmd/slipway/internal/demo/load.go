package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Round is one burst of questions.
type Round struct {
	Name     string         `json:"name"`
	Asked    int            `json:"asked"`
	Failed   int            `json:"failed"`
	Streamed int            `json:"streamed"`
	Split    map[string]int `json:"split"`
	P50      float64        `json:"p50_ms"`
	P95      float64        `json:"p95_ms"`
	P99      float64        `json:"p99_ms"`
	TTFTP50  float64        `json:"ttft_p50_ms"`
	Input    int64          `json:"input_tokens"`
	Output   int64          `json:"output_tokens"`
	Seconds  float64        `json:"seconds"`

	start, end time.Time
}

// request is one question as it is put.
type request struct {
	question question
	user     string
	stream   bool
}

// answer is what came back. status 0 means that the connection broke.
type answer struct {
	id, entity, text string
	status           int
	took, ttft       time.Duration
	input, output    int64
}

// ask puts one question through the OpenAI surface as the application.
func (d *demo) ask(ctx context.Context, client *http.Client, r request) answer {
	body := map[string]any{
		"model": d.endpoint, "user": r.user, "max_tokens": 40, "temperature": 0.7,
		"messages": []map[string]string{{"role": "user", "content": r.question.text}},
	}
	if r.stream {
		body["stream"] = true
		body["stream_options"] = map[string]bool{"include_usage": true}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return answer{text: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL+"/v1/chat/completions", bytes.NewReader(raw))
	if err != nil {
		return answer{text: err.Error()}
	}
	req.Header.Set("Authorization", "Bearer "+d.app.Reveal())
	req.Header.Set("Content-Type", "application/json")
	start := time.Now()
	res, err := client.Do(req)
	if err != nil {
		return answer{text: err.Error()}
	}
	defer res.Body.Close()
	a := answer{id: res.Header.Get("X-Request-Id"), entity: res.Header.Get("X-Slipway-Served-Entity"), status: res.StatusCode}
	if r.stream && res.StatusCode == http.StatusOK {
		err = readStream(res.Body, start, &a)
	} else {
		err = readWhole(res.Body, &a)
	}
	a.took = time.Since(start)
	if err != nil {
		a.status, a.text = 0, err.Error()
	}
	return a
}

type chunk struct {
	Choices []struct {
		Message struct{ Content string } `json:"message"`
		Delta   struct{ Content string } `json:"delta"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
	} `json:"usage"`
	Error *struct{ Message string } `json:"error"`
}

func (c chunk) usage(a *answer) {
	if c.Usage != nil {
		a.input, a.output = c.Usage.Prompt, c.Usage.Completion
	}
}

func readWhole(r io.Reader, a *answer) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	var c chunk
	if err := json.Unmarshal(raw, &c); err != nil {
		return err
	}
	if c.Error != nil {
		a.text = c.Error.Message
		return nil
	}
	if len(c.Choices) > 0 {
		a.text = c.Choices[0].Message.Content
	}
	c.usage(a)
	return nil
}

func readStream(r io.Reader, start time.Time, a *answer) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	var text strings.Builder
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case !ok:
			continue
		case data == "[DONE]":
			a.text = text.String()
			return nil
		}
		var c chunk
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			return err
		}
		if c.Error != nil {
			return fmt.Errorf("error event: %s", c.Error.Message)
		}
		if len(c.Choices) > 0 && c.Choices[0].Delta.Content != "" {
			if a.ttft == 0 {
				a.ttft = time.Since(start)
			}
			text.WriteString(c.Choices[0].Delta.Content)
		}
		c.usage(a)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return fmt.Errorf("the stream ended without [DONE]: %w", io.ErrUnexpectedEOF)
}

// round asks n questions from d.Clients callers at once, every third as a stream, each by another user.
func (d *demo) round(ctx context.Context, name string, from []question, n int) (Round, error) {
	r := Round{Name: name, Asked: n, Split: map[string]int{}, start: time.Now()}
	answers := make([]answer, n)
	var next atomic.Int64
	var callers sync.WaitGroup
	bar := d.print.bar(name, n)
	for range d.Clients {
		callers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return
				}
				answers[i] = d.ask(ctx, d.http, request{question: from[i%len(from)], user: fmt.Sprintf("%s-%d", name, i), stream: i%3 == 0})
				bar.step()
			}
		})
	}
	callers.Wait()
	bar.end()
	r.end = time.Now()
	r.Seconds = r.end.Sub(r.start).Seconds()
	r.sum(answers)
	d.answers = append(d.answers, answers...)
	d.report.Rounds = append(d.report.Rounds, r)
	d.print.round(r)
	if r.Failed > 0 {
		i := slices.IndexFunc(answers, func(a answer) bool { return a.status != http.StatusOK })
		return r, untrue("%d of %d calls failed, the first with status %d: %s", r.Failed, n, answers[i].status, answers[i].text)
	}
	return r, nil
}

func (r *Round) sum(answers []answer) {
	var took, ttft []time.Duration
	for _, a := range answers {
		if a.status != http.StatusOK {
			r.Failed++
			continue
		}
		r.Split[a.entity]++
		r.Input += a.input
		r.Output += a.output
		took = append(took, a.took)
		if a.ttft > 0 {
			r.Streamed++
			ttft = append(ttft, a.ttft)
		}
	}
	r.P50, r.P95, r.P99 = quantile(took, .50), quantile(took, .95), quantile(took, .99)
	r.TTFTP50 = quantile(ttft, .50)
}

// quantile is the nearest-rank quantile in milliseconds, 0 of nothing.
func quantile(d []time.Duration, q float64) float64 {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	i := max(0, min(len(d)-1, int(q*float64(len(d))+0.5)-1))
	return float64(d[i].Microseconds()) / 1000
}
