package inference

import "strings"

// A refusal opens with an apology or a "cannot", in whichever language. Only the
// opening is looked at: an answer may well explain later what one cannot do. The
// phrases are those that chat models are trained to use.
var refusals = []string{
	"i'm sorry, but i can", "i am sorry, but i can", "i'm sorry, i can't", "i can't help with", "i cannot help with", "i can't assist", "i cannot assist",
	"i'm unable to help", "i am unable to", "i'm not able to help", "i won't be able to", "i must decline", "sorry, i can't", "i cannot provide", "i can't provide",
	"i cannot fulfill", "i can't fulfill", "as an ai language model, i cannot", "as an ai, i cannot",
	"es tut mir leid, aber ich kann", "es tut mir leid, aber dabei kann", "tut mir leid, aber ich kann", "ich kann dir dabei nicht", "ich kann ihnen dabei nicht", "dabei kann ich nicht helfen",
	"je suis désolé, mais je ne peux", "désolé, mais je ne peux", "désolé, je ne peux pas", "je ne peux pas vous aider", "je ne peux pas t'aider",
	"lo siento, pero no puedo", "lo siento, no puedo", "no puedo ayudarte con", "no puedo ayudar con",
	"mi dispiace, ma non posso", "mi dispiace, non posso", "non posso aiutarti",
	"desculpe, mas não posso", "sinto muito, mas não posso", "lamento, mas não posso",
	"het spijt me, maar ik kan", "sorry, maar ik kan", "przykro mi, ale nie mogę", "üzgünüm, ancak", "üzgünüm, ama",
	"извините, но я не могу", "извините, я не могу", "к сожалению, я не могу", "я не могу помочь", "вибачте, але я не можу",
	"很抱歉，我无法", "很抱歉，我不能", "抱歉，我无法", "抱歉，我不能", "对不起，我不能", "对不起，我无法", "對不起，我無法",
	"申し訳ありませんが、", "申し訳ございませんが、", "すみませんが、その", "죄송하지만",
	"عذرا، لا أستطيع", "عذراً، لا أستطيع", "آسف، لا أستطيع", "عذرًا، لا أستطيع", "عذرًا، لا يمكنني", "آسف، لا يمكنني",
}

// A refusal begins within the first bytes of an answer, and no phrase is longer
// than the rest of the window.
const (
	refusalStart  = 40
	refusalWindow = refusalStart + 100
)

func refuses(answer string) bool {
	if answer == "" {
		return false
	}
	if len(answer) > refusalWindow {
		answer = cutRunes(answer, refusalWindow)
	}
	opening := strings.ToLower(strings.ReplaceAll(answer, "’", "'"))
	for _, p := range refusals {
		if i := strings.Index(opening, p); i >= 0 && i <= refusalStart {
			return true
		}
	}
	return false
}
