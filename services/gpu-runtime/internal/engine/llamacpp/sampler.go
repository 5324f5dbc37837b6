package llamacpp

// Sampling says how the next token is chosen. Temperature 0 is greedy: always the likeliest token, and then TopK, TopP and
// Seed have no say.
type Sampling struct {
	Temperature      float32
	TopP             float32 // 0 to 1; 1 keeps all, 0 the likeliest alone
	TopK             int32   // 0 keeps all
	Seed             uint32
	FrequencyPenalty float32 // per earlier occurrence of the token in the answer
	PresencePenalty  float32 // once, if it occurred
}

// randomSeed is llama.cpp's "draw one yourself"; a caller's seed must never mean that.
const randomSeed = 0xFFFFFFFF

// newChain builds the samplers in the order the field expects: penalties see all tokens, then the candidates are cut, then
// temperature flattens what is left, then one is drawn.
func (m *Model) newChain(s Sampling) uintptr {
	l := m.lib
	chain := l.chain(l.chainDefaults())
	if s.FrequencyPenalty != 0 || s.PresencePenalty != 0 {
		l.chainAdd(chain, l.penalties(int32(m.Vocabulary), penaltyWindow, 1, s.FrequencyPenalty, s.PresencePenalty))
	}
	if s.Temperature <= 0 {
		l.chainAdd(chain, l.greedy())
		return chain
	}
	if s.TopK > 0 {
		l.chainAdd(chain, l.topK(s.TopK))
	}
	if s.TopP < 1 {
		l.chainAdd(chain, l.topP(s.TopP, 1))
	}
	if s.Seed == randomSeed {
		s.Seed = 0
	}
	l.chainAdd(chain, l.temp(s.Temperature))
	l.chainAdd(chain, l.dist(s.Seed))
	return chain
}

// penaltyWindow is how many of the answer's latest tokens the penalties look at. OpenAI looks at all; the cost of the
// engine's window grows with its size, and repetition lives in the recent past.
const penaltyWindow = 1024
