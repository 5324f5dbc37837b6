package meter

// Usage counts the tokens of one request. The counters are disjoint, so that a price is a plain product of this vector with
// another: a cached token is counted as cached and not also as read, a reasoning token not also as text.
type Usage struct {
	InputUncached   int64
	InputCached     int64
	InputAudio      int64
	OutputText      int64
	OutputReasoning int64
	OutputAudio     int64
	// Estimated: nobody counted, these are guesses from lengths.
	Estimated bool
}

// FromOpenAI takes OpenAI's totals apart, where prompt includes cached and audio tokens and completion includes reasoning and
// audio. Details that claim more than their total are cut to it: the sum of the vector is always what was reported.
func FromOpenAI(prompt, cached, audioIn, completion, reasoning, audioOut int64) Usage {
	prompt, completion = max(prompt, 0), max(completion, 0)
	cached = min(max(cached, 0), prompt)
	audioIn = min(max(audioIn, 0), prompt-cached)
	reasoning = min(max(reasoning, 0), completion)
	audioOut = min(max(audioOut, 0), completion-reasoning)
	return Usage{
		InputUncached: prompt - cached - audioIn, InputCached: cached, InputAudio: audioIn,
		OutputText: completion - reasoning - audioOut, OutputReasoning: reasoning, OutputAudio: audioOut,
	}
}

// Estimate guesses from bytes of text, at four bytes a token: no answer of this platform goes unmetered, also when the
// provider counts nothing or the client hangs up before the count arrives.
func Estimate(inputBytes, outputBytes int) Usage {
	return Usage{InputUncached: tokens(inputBytes), OutputText: tokens(outputBytes), Estimated: true}
}

func tokens(bytes int) int64 { return (int64(bytes) + 3) / 4 }

// Input is the number of tokens read.
func (u Usage) Input() int64 { return u.InputUncached + u.InputCached + u.InputAudio }

// Output is the number of tokens written.
func (u Usage) Output() int64 { return u.OutputText + u.OutputReasoning + u.OutputAudio }
