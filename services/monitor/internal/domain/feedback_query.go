package domain

// FeedbackQuery asks for feedback, newest first.
type FeedbackQuery struct {
	Endpoint  string // empty: any
	RequestID string // empty: any
	Name      string // empty: any
	After     TimeKey
	Limit     int
}
