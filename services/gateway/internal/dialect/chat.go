package dialect

// Message is one message of a chat, as text.
type Message struct {
	Role    string // system, user or assistant
	Content string
}

// Chat is a chat as a local engine takes it. A nil pointer leaves the engine its default.
type Chat struct {
	Messages         []Message
	MaxTokens        int32 // 0: what the context leaves
	Stop             []string
	Temperature      *float32
	TopP             *float32
	TopK             *int32
	Seed             *int64
	FrequencyPenalty float32
	PresencePenalty  float32
}

// Finish is why an answer ended, in OpenAI's words.
type Finish string

// The ways an answer of a local engine ends.
const (
	FinishStop   Finish = "stop"
	FinishLength Finish = "length"
)
