// Package lang tells the language of a short text, such as the question that
// somebody types into a chat: twenty to eighty characters, one sentence,
// sometimes without its accents.
//
// It looks for the cheapest evidence first. A script that one language writes
// (kana, hangul, Thai, Greek, Hebrew…) settles the matter. For the scripts that
// many share, three witnesses are heard: the small words that no sentence does
// without (words.txt), the letters and letter groups that only some languages
// use (marks.go), and the trigrams of the word list, for words that no list
// holds. The sum of their weights per language is the score; the distance
// between the best and the next decides how sure the answer is, and below a
// margin the answer is "und".
//
// Trigram libraries alone get four of five such questions right, because their
// profiles come from long texts; see the table in the tests.
package lang

import (
	"cmp"
	_ "embed"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

//go:embed words.txt
var wordList string

// Undetermined is the answer when there is no telling (BCP 47).
const Undetermined = "und"

// look bounds how much of a text is read, in runes.
const look = 240

// margin is the confidence below which the answer is Undetermined.
const margin = 0.08

// Detect returns a language as its BCP 47 tag and how sure it is, from 0 to 1.
// It reads the beginning of the text only, and takes tens of microseconds.
func Detect(text string) (tag string, confidence float64) {
	c := read(text)
	if c.letters < 2 {
		return Undetermined, 0
	}
	script, share := c.dominant()
	if tag := alone[script]; tag != "" {
		return tag, share
	}
	switch script {
	case han:
		// Japanese without kana is rare, but the characters that Japan
		// simplified in its own way give it away.
		if strings.ContainsAny(text, shinjitai) {
			return "ja", share * 0.7
		}
		return "zh", share * 0.9
	case latin, cyrillic, arabic:
		tag, conf := theModel().best(script, c)
		if conf < margin {
			return Undetermined, conf
		}
		return tag, conf
	}
	return Undetermined, 0
}

// The letters of simplified kanji that Chinese does not use.
const shinjitai = "県東対図円気駅広売読歩発様実験観応戦価経済"

// gramShare weighs the trigrams against the words. Between a half and the double
// of it the answers to the tests hardly change.
const gramShare = 0.08

// model is the word list, weighed. Languages are numbers in it.
type model struct {
	tags    []string
	scripts map[script][]int     // the languages of a script
	words   map[string][]weight  // word → languages
	grams   map[[3]rune][]weight // trigram → languages
	letters map[rune][]weightOf  // letter → the marks it is in
	groups  []groupMark
}

type weight struct {
	lang int
	w    float64
}

var theModel = sync.OnceValue(func() *model { return build(wordList) })

func build(list string) *model {
	m := &model{scripts: map[script][]int{}, words: map[string][]weight{}, grams: map[[3]rune][]weight{}}
	var counts []map[[3]rune]int
	for line := range strings.Lines(list) {
		tag, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || tag == "#" {
			continue
		}
		lang := len(m.tags)
		m.tags = append(m.tags, tag)
		counts = append(counts, map[[3]rune]int{})
		have := map[string]bool{}
		for w := range strings.FieldsSeq(rest) {
			if have[w] {
				continue
			}
			if len(have) == 0 {
				s := scriptOf([]rune(w)[0])
				m.scripts[s] = append(m.scripts[s], lang)
			}
			have[w] = true
			m.words[w] = append(m.words[w], weight{lang, 0})
			for g := range trigrams(w) {
				counts[lang][g]++
			}
		}
	}
	for w, langs := range m.words {
		// A word that one language has tells much, a word of five tells little;
		// a long word is seldom chance.
		each := (1 + math.Min(float64(len([]rune(w))), 6)/4) / math.Pow(float64(len(langs)), 1.2)
		for i := range langs {
			langs[i].w = each
		}
	}
	m.weighGrams(counts)
	m.indexMarks()
	return m
}

// weighGrams makes each trigram worth the logarithm of how much likelier it is
// in a language than one that the language never showed.
func (m *model) weighGrams(counts []map[[3]rune]int) {
	const unseen = 0.3
	for lang, c := range counts {
		for g, n := range c {
			m.grams[g] = append(m.grams[g], weight{lang, gramShare * math.Log((float64(n)+unseen)/unseen)})
		}
	}
}

// trigrams yields the letter triples of a word with its edges marked.
func trigrams(w string) func(func([3]rune) bool) {
	return func(yield func([3]rune) bool) {
		a, b := ' ', ' '
		for _, r := range w {
			if a != ' ' || b != ' ' {
				if !yield([3]rune{a, b, r}) {
					return
				}
			}
			if a == ' ' && b == ' ' {
				a, b = '^', r
				continue
			}
			a, b = b, r
		}
		yield([3]rune{a, b, '$'})
	}
}

// best hears the witnesses for a text in a script that languages share.
func (m *model) best(s script, c *content) (string, float64) {
	score := make([]float64, len(m.tags))
	for _, w := range c.words {
		for _, l := range m.words[w] {
			score[l.lang] += l.w
		}
		root := math.Sqrt(float64(utf8.RuneCountInString(w)))
		for g := range trigrams(w) {
			for _, l := range m.grams[g] {
				score[l.lang] += l.w / root
			}
		}
	}
	m.mark(c, score)
	ranked := slices.Clone(m.scripts[s])
	slices.SortStableFunc(ranked, func(a, b int) int { return cmp.Compare(score[b], score[a]) })
	first, rival := ranked[0], ranked[1]
	if siblings[m.tags[first]] == m.tags[rival] && len(ranked) > 2 {
		rival = ranked[2] // which of the two matters less than that it is one of them
	}
	if score[first] <= 0 {
		return Undetermined, 0
	}
	// One short word may be anybody's: the evidence itself must have weight.
	return m.tags[first], (score[first] - score[rival]) / (score[first] + 1)
}

// siblings are written so alike that a sentence may be in either.
var siblings = map[string]string{"da": "no", "no": "da"}

// content is what of a text is looked at.
type content struct {
	words   []string // lower case
	counts  [scripts]int
	letters int
	lower   string
}

func read(text string) *content {
	c := &content{}
	var word []rune
	var lower strings.Builder
	n := 0
	foreign := false
	flush := func() {
		if len(word) > 0 && !foreign {
			c.words = append(c.words, string(word))
		}
		word, foreign = word[:0], false
	}
	for _, r := range text {
		if n++; n > look {
			break
		}
		r = unicode.ToLower(r)
		lower.WriteRune(r)
		switch {
		case unicode.IsLetter(r) || unicode.IsMark(r) || r == '\u200c':
			word = append(word, r)
			if unicode.IsLetter(r) {
				c.letters++
				c.counts[scriptOf(r)]++
			}
		case (r == '\'' || r == '’' || r == '-') && len(word) > 0:
			word = append(word, map[rune]rune{'’': '\'', '\'': '\'', '-': '-'}[r])
		case unicode.IsDigit(r) || r == '_' || r == '/' || r == '@':
			foreign = true // part of a name, a path, an address: no word
		default:
			flush()
		}
	}
	flush()
	c.lower = lower.String()
	c.split()
	return c
}

// split adds the parts of words that an apostrophe or a hyphen holds together,
// so that "l'ordinateur" and "puis-je" are found either way.
func (c *content) split() {
	for _, w := range c.words {
		w = strings.Trim(w, "'-")
		if i := strings.IndexAny(w, "'-"); i > 0 && i < len(w)-1 {
			c.words = append(c.words, w[:i+1], w[i+1:])
			if w[i] == '-' {
				c.words = append(c.words, w[:i])
			}
		}
	}
}

// dominant is the script of most letters, and its share. Kana make a text
// Japanese however many Chinese characters stand between them.
func (c *content) dominant() (script, float64) {
	if k := c.counts[kana]; k > 0 && k*6 >= c.counts[han] {
		return kana, float64(k+c.counts[han]) / float64(c.letters)
	}
	best, n := other, 0
	for i, k := range c.counts {
		s := script(i)
		if s == han || s == kana || s == hangul {
			k *= 3 // one such letter says as much as a syllable of Latin ones
		}
		if k > n || k == n && s < best {
			best, n = s, k
		}
	}
	return best, float64(c.counts[best]) / float64(c.letters)
}
