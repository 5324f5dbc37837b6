package drift

import "math"

// durbinCDF is P(D_n < x), exact, by Durbin's matrix in the scaling of Marsaglia,
// Tsang & Wang (2003): with k = ⌈nx⌉ and h = k − nx, the probability is
// n!/nⁿ times the centre entry of Hⁿ, H a (2k−1)×(2k−1) matrix. All entries of H
// are non-negative, so its powers lose nothing by cancellation; they only grow,
// which the explicit binary exponent takes care of.
func durbinCDF(n, x float64) float64 {
	k := int(math.Ceil(n * x))
	h := float64(k) - n*x
	size := 2*k - 1
	power, exponent := matrixPower(durbinMatrix(size, h), size, int(n))
	centre := power[(k-1)*size+k-1]
	// n!/nⁿ·2^e: the exponents meet in the logarithm before either overflows.
	return math.Min(1, centre*math.Exp(logFactorialOverPower(n)+float64(exponent)*math.Ln2))
}

func durbinMatrix(size int, h float64) []float64 {
	inverseFactorial := make([]float64, size+1)
	inverseFactorial[0] = 1
	for i := 1; i <= size; i++ {
		inverseFactorial[i] = inverseFactorial[i-1] / float64(i)
	}
	a := make([]float64, size*size)
	for i := range size {
		for j := 0; j <= min(i+1, size-1); j++ {
			a[i*size+j] = inverseFactorial[i-j+1]
		}
	}
	hPower := h
	for i := range size { // the first column and, mirrored, the last row
		edge := (1 - hPower) * inverseFactorial[i+1]
		a[i*size] = edge
		a[(size-1)*size+size-1-i] = edge
		hPower *= h
	}
	corner := 1 - 2*math.Pow(h, float64(size))
	if 2*h > 1 {
		corner += math.Pow(2*h-1, float64(size))
	}
	a[(size-1)*size] = corner * inverseFactorial[size]
	return a
}

// matrixPower gives aⁿ as mantissa matrix and binary exponent.
func matrixPower(a []float64, size, n int) (result []float64, exponent int) {
	result = make([]float64, size*size)
	for i := range size {
		result[i*size+i] = 1
	}
	square, squareExponent := a, 0
	for {
		if n&1 == 1 {
			result = matrixProduct(result, square, size)
			exponent += squareExponent + rescale(result)
		}
		if n >>= 1; n == 0 {
			return result, exponent
		}
		square = matrixProduct(square, square, size)
		squareExponent = 2*squareExponent + rescale(square)
	}
}

func matrixProduct(a, b []float64, size int) []float64 {
	c := make([]float64, size*size)
	for i := range size {
		out := c[i*size : (i+1)*size]
		for k := range size {
			f := a[i*size+k]
			if f == 0 {
				continue
			}
			for j, v := range b[k*size : (k+1)*size] {
				out[j] += f * v
			}
		}
	}
	return c
}

// rescale divides the matrix by a power of two, exactly, so that its largest
// entry lies in [½,1), and returns that power.
func rescale(a []float64) int {
	var top float64
	for _, v := range a {
		top = math.Max(top, v)
	}
	_, e := math.Frexp(top)
	factor := math.Ldexp(1, -e)
	for i := range a {
		a[i] *= factor
	}
	return e
}
