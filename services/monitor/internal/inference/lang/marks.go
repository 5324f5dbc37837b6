package lang

import "strings"

// marks are letters and letter groups that some languages of a script use and
// the others do not, or hardly. A mark counts once however often it stands in a
// text, for one foreign name must not outvote a sentence.
var marks = []struct {
	text  string // any of these runes, or, with group, the text itself
	group bool
	tags  string
	w     float64
}{
	{"ß", false, "de", 3},
	{"äöü", false, "de sv fi hu tr", 0.5},
	{"äö", false, "sv fi de", 0.3},
	{"ñ", false, "es", 2.5},
	{"¿¡", false, "es", 4},
	{"ãõ", false, "pt", 2.5},
	{"ção", true, "pt", 2},
	{"ções", true, "pt", 2},
	{"lh", true, "pt", 0.6},
	{"nh", true, "pt vi", 0.5},
	{"œûîëï", false, "fr", 1.2},
	{"èêàùç", false, "fr", 0.8},
	{"èìòù", false, "it", 0.8},
	{"à", false, "it fr", 0.3},
	{"łżźćńśęą", false, "pl", 2.5},
	{"řěůťďň", false, "cs", 2.5},
	{"šžč", false, "cs", 1},
	{"őű", false, "hu", 3},
	{"ğış", false, "tr", 2.5},
	{"ășțâî", false, "ro", 1.2},
	{"ăș", false, "ro", 2},
	{"å", false, "sv da no", 1.5},
	{"æø", false, "da no", 2.5},
	{"đơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ", false, "vi", 4},
	{"sch", true, "de", 1},
	{"ung ", true, "de", 0.8},
	{"keit", true, "de", 1.5},
	{"cht", true, "de nl", 0.5},
	{"ij", true, "nl", 1.2},
	{"oe", true, "nl", 0.4},
	{"aa", true, "nl fi", 0.6},
	{"ee", true, "nl en", 0.3},
	{"uu", true, "nl fi", 0.6},
	{"zione", true, "it", 2},
	{"gli", true, "it", 0.8},
	{"cch", true, "it", 1},
	{"ggi", true, "it", 0.8},
	{"ción", true, "es", 2.5},
	{"dad ", true, "es", 0.8},
	{"ll", true, "es en fr it", 0.2},
	{"eau", true, "fr", 1},
	{"oux", true, "fr", 1},
	{"ement", true, "fr", 0.6},
	{"qu'", true, "fr", 1.5},
	{"l'", true, "fr it", 0.6},
	{"d'", true, "fr it", 0.6},
	{"th", true, "en", 0.8},
	{"ing ", true, "en", 1},
	{"wh", true, "en", 0.8},
	{"sh", true, "en", 0.4},
	{"ght", true, "en", 1},
	{"sz", true, "pl hu", 0.8},
	{"cz", true, "pl", 1},
	{"rz", true, "pl", 0.6},
	{"yy", true, "fi", 0.8},
	{"kk", true, "fi", 0.5},
	{"ыэё", false, "ru", 2},
	{"ъ", false, "bg", 1.2},
	{"їєґ", false, "uk", 3},
	{"і", false, "uk", 2},
	{"ђћљњџј", false, "sr", 3},
	{"щ", false, "ru uk bg", 0.3},
	{"پچژگ", false, "fa ur", 1.5},
	{"ٹڈڑںےھ", false, "ur", 4},
	{"ةىأإؤئ", false, "ar", 1.5},
	{"ال", true, "ar", 1},
	{"ی", false, "fa ur", 1},
	{"می\u200c", true, "fa", 3},
}

// weightOf points a letter at its mark.
type weightOf struct {
	mark  int
	langs []int
	w     float64
}

type groupMark struct {
	text  string
	langs []int
	w     float64
}

func (m *model) indexMarks() {
	number := map[string]int{}
	for i, t := range m.tags {
		number[t] = i
	}
	m.letters = map[rune][]weightOf{}
	for i, k := range marks {
		var langs []int
		for tag := range strings.FieldsSeq(k.tags) {
			langs = append(langs, number[tag])
		}
		if k.group {
			m.groups = append(m.groups, groupMark{k.text, langs, k.w})
			continue
		}
		for _, r := range k.text {
			m.letters[r] = append(m.letters[r], weightOf{i, langs, k.w})
		}
	}
}

// mark adds what the letters say.
func (m *model) mark(c *content, score []float64) {
	var seen [128]bool
	for _, r := range c.lower {
		if r < 0x80 {
			continue
		}
		for _, l := range m.letters[r] {
			if !seen[l.mark] {
				seen[l.mark] = true
				for _, lang := range l.langs {
					score[lang] += l.w
				}
			}
		}
	}
	padded := c.lower + " "
	for _, g := range m.groups {
		if strings.Contains(padded, g.text) {
			for _, lang := range g.langs {
				score[lang] += g.w
			}
		}
	}
}
