package ledger

// Calibration is what is known from earlier loads of a model in the same way: how the observed need compared to the
// uncalibrated prediction.
type Calibration struct {
	Factor  float64 // observed / predicted, smoothed
	Samples int64
}

// smoothing weighs a new observation against those before it. One load of a model is much like the next; half and half
// follows a real change (a new engine release) within two loads.
const smoothing = 0.5

// Bounds keep one freak observation, such as a worker that was swapped out, from making the next prediction worthless.
const (
	minFactor = 0.25
	maxFactor = 4
)

// Observe takes a new observation into account.
func (c Calibration) Observe(predicted, observed int64) Calibration {
	if predicted <= 0 || observed <= 0 {
		return c
	}
	ratio := min(max(float64(observed)/float64(predicted), minFactor), maxFactor)
	if c.Samples == 0 {
		return Calibration{Factor: ratio, Samples: 1}
	}
	return Calibration{Factor: c.Factor + smoothing*(ratio-c.Factor), Samples: c.Samples + 1}
}

// Apply calibrates a prediction.
func (c Calibration) Apply(e Estimate) Estimate {
	if c.Samples == 0 {
		return e
	}
	e.Factor = min(max(c.Factor, minFactor), maxFactor)
	e.Total = clamp(float64(e.Raw()) * e.Factor)
	return e
}

// Share is the part of the free memory that a need may take: more once the prediction has proved itself.
func (c Calibration) Share() float64 {
	if c.Samples == 0 {
		return 0.80
	}
	return 0.92
}
