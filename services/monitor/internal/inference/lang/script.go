package lang

import "unicode"

// script is a writing system, as far as it tells languages apart.
type script int

const (
	other script = iota
	latin
	cyrillic
	arabic
	han
	kana
	hangul
	greek
	hebrew
	thai
	devanagari
	bengali
	tamil
	telugu
	gujarati
	gurmukhi
	kannada
	malayalam
	sinhala
	khmer
	lao
	burmese
	georgian
	armenian
	ethiopic
	scripts // how many there are
)

// alone are the scripts that, in questions to a machine, mean one language.
// Devanagari is Hindi rather than Marathi or Nepali by the numbers.
var alone = map[script]string{
	kana: "ja", hangul: "ko", greek: "el", hebrew: "he", thai: "th", devanagari: "hi", bengali: "bn", tamil: "ta",
	telugu: "te", gujarati: "gu", gurmukhi: "pa", kannada: "kn", malayalam: "ml", sinhala: "si", khmer: "km", lao: "lo",
	burmese: "my", georgian: "ka", armenian: "hy", ethiopic: "am",
}

var tables = []struct {
	s script
	t *unicode.RangeTable
}{
	{latin, unicode.Latin},
	{cyrillic, unicode.Cyrillic},
	{arabic, unicode.Arabic},
	{han, unicode.Han},
	{kana, unicode.Hiragana},
	{kana, unicode.Katakana},
	{hangul, unicode.Hangul},
	{greek, unicode.Greek},
	{hebrew, unicode.Hebrew},
	{thai, unicode.Thai},
	{devanagari, unicode.Devanagari},
	{bengali, unicode.Bengali},
	{tamil, unicode.Tamil},
	{telugu, unicode.Telugu},
	{gujarati, unicode.Gujarati},
	{gurmukhi, unicode.Gurmukhi},
	{kannada, unicode.Kannada},
	{malayalam, unicode.Malayalam},
	{sinhala, unicode.Sinhala},
	{khmer, unicode.Khmer},
	{lao, unicode.Lao},
	{burmese, unicode.Myanmar},
	{georgian, unicode.Georgian},
	{armenian, unicode.Armenian},
	{ethiopic, unicode.Ethiopic},
}

func scriptOf(r rune) script {
	if r < 0x80 {
		return latin // callers ask about letters
	}
	for _, t := range tables {
		if unicode.Is(t.t, r) {
			return t.s
		}
	}
	return other
}
